//! Who writes, and what: the same in all that is measured.

use messengerd::domain::Login;

/// What people write to each other: 64 bytes, a line or two.
pub(crate) const TEXT: &str = "Hello, are you there? We could meet at eight, at the usual place";

/// The login of the nth person.
pub(crate) fn login(number: usize) -> Login {
    Login::parse(&format!("somebody{number:05}")).expect("it is a login")
}
