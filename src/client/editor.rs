//! The line that a person types, in a thread of its own: rustyline waits for keys, and the session must not wait.

use crate::domain::Login;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

/// Names to complete, shared with the session that learns them.
pub(super) type Names = Arc<Mutex<Vec<Login>>>;

/// Commands of a chat, to complete.
pub(super) const COMMANDS: [&str; 4] = ["/help", "/quit", "/to ", "/who"];

/// What came from the keyboard.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-C: the line was thrown away.
    Interrupted,
    /// Ctrl-D on an empty line.
    End,
    /// The terminal failed.
    Failed(ReadlineError),
}

/// rustyline with completion, and a history that is in memory only: what people write to each other is in no file.
pub(super) type LineEditor = Editor<Completion, MemHistory>;

/// An editor on this terminal.
///
/// # Errors
/// When the terminal does not answer.
pub(super) fn editor(names: Names) -> rustyline::Result<LineEditor> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(Completion { names }));
    Ok(editor)
}

/// Reads lines until the end. After each one it waits for the next prompt, and ends when none comes. A byte on `bell`
/// says that something is in `typed`.
pub(super) fn edit(
    mut editor: LineEditor,
    mut prompt: String,
    typed: &Sender<Typed>,
    mut bell: &UnixStream,
    prompts: &Receiver<String>,
) {
    loop {
        let (what, last) = match editor.readline(&prompt) {
            Ok(line) => (Typed::Line(line), false),
            Err(ReadlineError::Interrupted) => (Typed::Interrupted, false),
            Err(ReadlineError::Eof) => (Typed::End, true),
            Err(error) => (Typed::Failed(error), true),
        };
        if typed.send(what).is_err() || bell.write_all(b"!").is_err() || last {
            return;
        }
        match prompts.recv() {
            Ok(next) => prompt = next,
            Err(_) => return,
        }
    }
}

/// Completes names, and commands at the beginning of a line.
pub(super) struct Completion {
    names: Names,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(complete(&line[..at], &names))
    }
}

/// Where the last word begins, and what it may become.
fn complete(line: &str, names: &[Login]) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| {
        // The white space may be more than one byte.
        at + line[at..].chars().next().map_or(0, char::len_utf8)
    });
    let word = &line[start..];
    if start == 0 && word.starts_with('/') {
        let commands = COMMANDS.iter().filter(|command| command.starts_with(word));
        return (0, commands.map(|command| (*command).to_owned()).collect());
    }
    // In the middle of a text nobody means "all of them".
    if word.is_empty() && line != "/to " {
        return (start, Vec::new());
    }
    let names = names.iter().map(Login::as_str).filter(|name| name.starts_with(&word.to_lowercase()));
    (start, names.map(str::to_owned).collect())
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> (usize, Vec<String>) {
        let names = ["ann", "anna", "bob", "żółw"].map(|name| Login::parse(name).unwrap());
        complete(line, &names)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn names_are_completed_behind_to_and_in_a_text() {
        assert_eq!(completed("/to "), (4, words(&["ann", "anna", "bob", "żółw"])));
        assert_eq!(completed("/to AN"), (4, words(&["ann", "anna"])));
        assert_eq!(completed("I met b"), (6, words(&["bob"])));
        assert_eq!(completed("a\u{2003}żó"), (4, words(&["żółw"])));
        assert_eq!(completed("I met "), (6, vec![]));
        assert_eq!(completed(""), (0, vec![]));
    }

    #[test]
    fn commands_are_completed_at_the_beginning_of_a_line() {
        assert_eq!(completed("/"), (0, words(&["/help", "/quit", "/to ", "/who"])));
        assert_eq!(completed("/w"), (0, words(&["/who"])));
        assert_eq!(completed("see /w"), (4, vec![]));
    }
}
