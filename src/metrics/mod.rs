//! The figures, for programs that collect such: `OpenMetrics` text over HTTP, on a socket of its own.
//!
//! Prometheus and its like ask again and again; each time they get all there is ([`metrics()`]), as it is at that moment. The
//! server half of HTTP is no more than that takes (`serve.rs`): one request on a connection, `GET /metrics`, within bounds.
//! The head of a request is understood by the library httparse (`head.rs`), the text is written by the library
//! prometheus-client (`page.rs`).
//!
//! Who may ask is said by the socket's mode and group. There is nobody's login, text or address in the answer.
//!
//! Errors: whatever a peer sends ends in an answer or in a closed connection, and never ends the daemon.
//!
//! Must not be here: what is counted, and how it is measured: that is in [`figures`](crate::figures) and in the rooms that
//! know. Clients' connections and protocols, SQL.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod head;
mod metric;
mod page;
mod serve;
mod table;

pub use metric::{Kind, Metric, Unit};
pub use page::page;
pub use serve::{CONNECTIONS, Listener, serve};
pub use table::metrics;
