//! What somebody who started the daemon by hand is told: what to type next.

use std::io::IsTerminal;

/// Says it on standard error, if a person is reading there.
pub(super) fn greet(addresses: &[String]) {
    if !std::io::stderr().is_terminal() && std::env::var_os("CARGO").is_none() {
        return;
    }
    eprint!("{}", text(addresses, std::env::var_os("CARGO").is_some()));
}

fn text(addresses: &[String], from_cargo: bool) -> String {
    let messenger = if from_cargo { "cargo run --release --bin messenger --" } else { "messenger" };
    let server = match addresses.first().map(String::as_str) {
        None | Some("127.0.0.1:54321") => String::new(),
        Some(address) => format!(" --server {address}"),
    };
    format!(
        "\nReady. In another terminal:\n    {messenger}{server} signup ann\n    {messenger}{server} signup bob\n    \
         {messenger}{server} --login ann chat bob\n\
         Ctrl-C stops the server; everything is kept.\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_named_when_it_is_not_where_the_client_looks() {
        assert!(text(&["127.0.0.1:54321".into()], false).contains("    messenger signup ann\n"));
        assert!(text(&["127.0.0.1:1234".into()], false).contains("    messenger --server 127.0.0.1:1234 signup ann\n"));
        assert!(text(&[], true).contains("    cargo run --release --bin messenger -- signup ann\n"));
    }
}
