//! An error with its causes, on one line.

use std::error::Error;
use std::fmt;

/// Displays an error and each of its causes: `127.0.0.1:80: binding failed: Permission denied (os error 13)`.
///
/// Errors of ours don't repeat their cause in their own text, so printing them alone would lose it.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'error>(pub &'error (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the house fell down")]
    struct Fell(#[source] std::io::Error);

    #[test]
    fn causes_follow_their_effect() {
        let error = Fell(std::io::Error::other("wind"));
        assert_eq!(Chain(&error).to_string(), "the house fell down: wind");
    }
}
