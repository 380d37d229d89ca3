//! A relay: what somebody would write who wants nothing but to forward bytes. The floor that the daemon is compared to.
//!
//! The same sockets, the same threads and the same bytes as the daemon's classic protocol, and nothing else: no accounts,
//! no store, no contacts, no bounds. One task for each connection; one read and one write for each message. Whoever logs
//! in is believed, and the newest connection of a login gets its messages.
//!
//!     cargo run --release --example relay -- 127.0.0.1:54321

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Separates fields.
const SEPARATOR: u8 = b'\r';

/// Type bytes: of a log-in and its answer, of a message, and of a message as its recipient gets it.
const LOG_IN: u8 = 0x01;
const MESSAGE: u8 = 0x06;
const PUSHED_MESSAGE: u8 = 0x02;

/// What a log-in is answered with: "done", and a key that nobody asks for again.
const LOGGED_IN: &[u8] = b"\x01\0\rkey!";

/// Several write to one recipient, each a whole packet.
type Writer = Arc<tokio::sync::Mutex<OwnedWriteHalf>>;

/// Who is there, by login.
type Writers = Mutex<HashMap<Box<[u8]>, Writer>>;

// As many threads as the daemon has: one for each CPU.
#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:54321".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("relay on {}", listener.local_addr()?);
    let writers = Arc::new(Writers::default());
    loop {
        let (stream, peer) = listener.accept().await?;
        let writers = Arc::clone(&writers);
        tokio::spawn(async move {
            match serve(stream, &writers).await {
                // How a client of the classic protocol may leave.
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => eprintln!("{peer}: {error}"),
                _ => {}
            }
        });
    }
}

/// A connection, from its first byte to its last.
async fn serve(stream: TcpStream, writers: &Writers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let writer: Writer = Arc::new(tokio::sync::Mutex::new(writer));
    let mut login = Vec::new();
    let outcome = forward(reader, &writer, &mut login, writers).await;
    let mut writers = lock(writers);
    if writers.get(login.as_slice()).is_some_and(|newest| Arc::ptr_eq(newest, &writer)) {
        writers.remove(login.as_slice());
    }
    outcome
}

/// Takes each read for one packet, as its peer wrote it with one write, until there are no more.
async fn forward(mut reader: OwnedReadHalf, writer: &Writer, login: &mut Vec<u8>, writers: &Writers) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut packet = Vec::new();
    loop {
        let size = reader.read(&mut buffer).await?;
        match &buffer[..size] {
            [] => return Ok(()),
            [LOG_IN, rest @ ..] => {
                *login = first_field(rest).0.to_vec();
                lock(writers).insert(login.as_slice().into(), Arc::clone(writer));
                writer.lock().await.write_all(LOGGED_IN).await?;
            }
            [MESSAGE, _, _, _, _, SEPARATOR, rest @ ..] => {
                let (recipient, text) = first_field(rest);
                let Some(recipient) = lock(writers).get(recipient).cloned() else { continue };
                packet.clear();
                packet.push(PUSHED_MESSAGE);
                packet.extend_from_slice(login);
                packet.push(SEPARATOR);
                packet.extend_from_slice(text);
                // A recipient that has just gone is not its sender's fault.
                let _ = recipient.lock().await.write_all(&packet).await;
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "neither a log-in nor a message")),
        }
    }
}

fn lock(writers: &Writers) -> MutexGuard<'_, HashMap<Box<[u8]>, Writer>> {
    writers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes up to the first separator, and those behind it.
fn first_field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(SEPARATOR, bytes).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
