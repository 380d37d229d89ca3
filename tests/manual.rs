//! The manual pages and the shells' completions in packaging/ say what the programs say: they are made from the same
//! definitions. Where they are stale, this test says so, and `MESSENGERD_WRITE=1 cargo test --test manual` writes them.

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use messengerd::config::{SECTIONS, Taken};
use messengerd::control::commands;
use messengerd::{client, daemon};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// The text of each file, by its path below packaging/.
type Files = BTreeMap<String, Vec<u8>>;

/// A page for the program and one for each of its commands, as `git` has them. The first has what `packaging/man/NAME.in`
/// adds: what is not on the command line.
fn pages(files: &mut Files, command: Command, section: &str) {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(files, &command, section);
}

fn page(files: &mut Files, command: &Command, section: &str) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    // What is a flag of all commands is told on the program's own page.
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .section(section)
        .date("")
        .source(concat!("messengerd ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .unwrap();
    if let Ok(more) = fs::read(packaging().join(format!("man/{name}.in"))) {
        text.extend(more);
    }
    files.insert(format!("man/{name}.{section}"), text);
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        page(files, subcommand, section);
    }
}

/// `messengerd.toml(5)`: every key, as `messengerctl config example` has it.
fn configuration(files: &mut Files) {
    let escape = |line: &str| {
        let line = line.trim_start().replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    let mut text = fs::read_to_string(packaging().join("man/messengerd.toml.in")).unwrap();
    let version = concat!("messengerd ", env!("CARGO_PKG_VERSION"));
    text = text.replace("@VERSION@", version);
    for section in SECTIONS {
        writeln!(text, ".SH \"[{}]\"", section.name).unwrap();
        for line in section.docs {
            writeln!(text, "{}", escape(line)).unwrap();
        }
        for key in section.keys {
            writeln!(text, ".TP\n\\fB{} = {}\\fR", escape(key.name), escape(&key.default_text())).unwrap();
            for line in key.docs {
                writeln!(text, "{}", escape(line)).unwrap();
            }
            let taken = match key.taken {
                Taken::Reload => "A reload takes it.",
                Taken::Restart => "A restart takes it.",
            };
            writeln!(text, ".br\nTakes {}. {taken}", escape(&key.expected())).unwrap();
        }
    }
    text.push_str(".SH SEE ALSO\n.BR messengerd (8),\n.BR messengerctl (1)\n");
    files.insert("man/messengerd.toml.5".to_owned(), text.into_bytes());
}

fn completions(files: &mut Files, mut command: Command) {
    let name = command.get_name().to_owned();
    for (shell, file) in
        [(Shell::Bash, name.clone()), (Shell::Zsh, format!("_{name}")), (Shell::Fish, format!("{name}.fish"))]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut text);
        files.insert(format!("completions/{shell}/{file}"), text);
    }
}

/// Programs that complete names too, by asking themselves.
fn completions_that_ask(files: &mut Files, name: &str, program: &str) {
    for (shell, file) in [("bash", name.to_owned()), ("zsh", format!("_{name}")), ("fish", format!("{name}.fish"))] {
        let said = std::process::Command::new(program).arg0(name).env("COMPLETE", shell).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        files.insert(format!("completions/{shell}/{file}"), said.stdout);
    }
}

#[test]
fn manual_pages_and_completions_say_what_the_programs_say() {
    let mut files = Files::new();
    pages(&mut files, daemon::Arguments::command(), "8");
    pages(&mut files, commands::Arguments::command(), "1");
    pages(&mut files, client::command_line(), "1");
    configuration(&mut files);
    completions(&mut files, daemon::Arguments::command());
    completions_that_ask(&mut files, "messengerctl", env!("CARGO_BIN_EXE_messengerctl"));
    completions_that_ask(&mut files, "messenger", env!("CARGO_BIN_EXE_messenger"));

    let write = std::env::var_os("MESSENGERD_WRITE").is_some();
    let mut stale = Vec::new();
    for (name, text) in &files {
        let path = packaging().join(name);
        if fs::read(&path).ok().as_ref() != Some(text) {
            if write {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
            } else {
                stale.push(name.as_str());
            }
        }
    }
    assert!(stale.is_empty(), "stale, so run MESSENGERD_WRITE=1 cargo test --test manual: {}", stale.join(", "));
}
