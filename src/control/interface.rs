//! `io.messengerd.Control`: what both halves say, and what the interface says of itself.

use zlink::idl::{Comment, Interface, Method};
use zlink::introspect::ReplyError;
use zlink::names::{InterfaceName, TypeName};

/// Why an order was refused. What is in `///` here is in the interface's description.
#[derive(Debug, Clone, PartialEq, Eq, zlink::ReplyError, zlink::introspect::ReplyError)]
#[zlink(interface = "io.messengerd.Control")]
pub(super) enum Refused {
    /// None of the new configuration was taken. The reasons are all there are, in one line each.
    ReloadRefused {
        // A comment with three strokes would be in the description, in the middle of a line.
        reasons: Vec<String>,
    },
    /// The daemon is stopping, and takes no more orders.
    Stopping,
}

/// The methods, for those who call.
#[zlink::proxy("io.messengerd.Control")]
pub(super) trait Control {
    async fn reload(&mut self) -> zlink::Result<Result<(), Refused>>;
}

const METHODS: &[&Method<'static>] = &[&Method::new(
    TypeName::from_static_str_unchecked("Reload"),
    &[],
    &[],
    &[&Comment::new("Reads the configuration anew. When it returns, the new settings are in force.")],
)];

/// The interface, for those who ask what there is (`varlinkctl introspect`).
pub(super) const DESCRIPTION: &Interface<'static> = &{
    let name = InterfaceName::from_static_str_unchecked("io.messengerd.Control");
    let comments = &[&Comment::new("What messengerd can be told while it runs.")];
    Interface::new(name, METHODS, &[], Refused::VARIANTS, comments)
};
