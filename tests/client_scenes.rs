//! `messenger`, the real program, against a peer that plays the server's bytes. What is tested is what goes over the
//! wire, what a person sees, and what a script gets.

#[path = "client_scenes/account.rs"]
mod account;
#[path = "client_scenes/chat.rs"]
mod chat;
#[path = "client_scenes/faults.rs"]
mod faults;
#[path = "client_scenes/listen.rs"]
mod listen;
#[path = "client_scenes/messages.rs"]
mod messages;
#[path = "client_scenes/own.rs"]
mod own;
#[path = "client_scenes/stage.rs"]
mod stage;
