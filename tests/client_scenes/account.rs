//! Sign-up, log-in, what is remembered, contacts and names.

use crate::stage::{Home, KEY, Peer, Running, Stage, mode};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn signup(home: &Home, stage: &Stage, login: &str) -> Running {
    let mut command = home.bare(&["signup", login, "--email", "ann@example.org", "--server", &stage.address()]);
    command.arg("--password-file").arg(home.password_file());
    Running::start(command)
}

#[test]
fn the_first_sign_up_makes_an_account_and_remembers_who_one_is() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = signup(&home, &stage, "Ann");
    let mut peer = stage.accept();
    peer.expect(&[b"\x00ann@example.org\rann\rcorrect horse"]);
    peer.send(&[b"\x00\x00"]);
    peer.expect_end();
    let (code, out, err) = messenger.end();
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("ann has an account at {}; from now on", stage.address())), "{out}");
    let remembered = std::fs::read_to_string(home.config()).unwrap();
    assert!(remembered.contains("login = \"ann\"") && remembered.contains(&stage.address()), "{remembered}");

    let messenger = signup(&home, &stage, "bob");
    let mut peer = stage.accept();
    peer.expect(&[b"\x00ann@example.org\rbob\rcorrect horse"]);
    peer.send(&[b"\x00\x00"]);
    let (code, out, _) = messenger.end();
    assert!(code == 0 && out.ends_with("messenger login bob\n"), "{out}");
    assert_eq!(std::fs::read_to_string(home.config()).unwrap(), remembered);
}

#[test]
fn each_refusal_of_a_sign_up_has_its_words_and_its_code() {
    let (home, stage) = (Home::new(), Stage::new());
    for (flag, code, words) in [
        (1, 65, "the server does not take this e-mail address"),
        (2, 65, "the server does not take this login"),
        (3, 65, "the server does not take this password; is it too short?"),
        (4, 65, "somebody has this login already"),
        (5, 69, "the server takes no sign-ups, or none at the moment, or only with another invite"),
    ] {
        let messenger = signup(&home, &stage, "ann");
        let mut peer = stage.accept();
        peer.expect(&[b"\x00ann@example.org\rann\rcorrect horse"]);
        peer.send(&[&[0, flag]]);
        assert_eq!(messenger.end(), (code, String::new(), format!("messenger: {words}\n")));
    }
    assert!(!home.config().exists());
}

#[test]
fn what_no_server_takes_is_refused_without_one() {
    let home = Home::new();
    let nowhere = Stage::nowhere();
    std::fs::write(home.path("cr"), "correct\rhorse\n").unwrap();
    std::fs::set_permissions(home.path("cr"), PermissionsExt::from_mode(0o600)).unwrap();
    let password = home.password_file().display().to_string();
    let cr = home.path("cr").display().to_string();
    for (login, email, file, words) in [
        ("a b", "ann@example.org", &password, "\"a b\" is no login: a login holds letters, "),
        ("ann", "ann", &password, "\"ann\" is not a plausible e-mail address"),
        ("ann", "ann@example.org", &cr, "a password holds visible characters"),
    ] {
        let arguments = ["signup", login, "--email", email, "--server", &nowhere, "--password-file", file];
        let (code, _, err) = Running::start(home.bare(&arguments)).end();
        assert!(code == 65 && err.starts_with(&format!("messenger: {words}")), "{code} {err}");
    }
}

#[test]
fn a_log_in_is_remembered_without_the_password() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["login"]));
    let peer = stage.accept_ann();
    peer.expect_leaving();
    let (code, out, err) = messenger.end();
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("ann at {}: remembered in {}\n", stage.address(), home.config().display()));
    assert_eq!(
        std::fs::read_to_string(home.config()).unwrap(),
        format!("# Written by `messenger login`.\nserver = \"{}\"\nlogin = \"ann\"\n", stage.address())
    );
    assert_eq!(mode(&home.config()), 0o600);

    // From now on neither has to be said.
    let mut command = home.bare(&["contacts"]);
    command.arg("--password-file").arg(home.password_file());
    let messenger = Running::start(command);
    let mut peer = stage.accept_ann();
    peer.expect_contacts_request();
    peer.send(&[b"\x03\x01"]);
    peer.expect_leaving();
    let none = "You have no contacts yet; messenger add NAME adds one.\n";
    assert_eq!(messenger.end(), (0, String::new(), none.to_owned()));
}

#[test]
fn flags_win_over_the_environment_and_that_over_what_was_remembered() {
    let (home, stage) = (Home::new(), Stage::new());
    std::fs::create_dir_all(home.config().parent().unwrap()).unwrap();
    std::fs::write(home.config(), format!("server = \"{}\"\nlogin = \"celina\"\n", Stage::nowhere())).unwrap();

    let messenger = Running::start(home.ann(&stage.address(), &["contacts", "--login", "bob"]));
    let mut peer = stage.accept();
    peer.expect(&[b"\x01bob\rcorrect horse"]);
    peer.send(&[b"\x01\x01"]);
    assert_eq!(messenger.end(), (67, String::new(), "messenger: nobody has the login bob\n".to_owned()));

    let mut command = home.ann(&Stage::nowhere(), &["contacts", "--server", &stage.address()]);
    command.env_remove("MESSENGER_LOGIN");
    let messenger = Running::start(command);
    let mut peer = stage.accept();
    peer.expect(&[b"\x01celina\rcorrect horse"]);
    peer.send(&[b"\x01\x02"]);
    assert_eq!(messenger.end(), (77, String::new(), "messenger: wrong password\n".to_owned()));
}

#[test]
fn contacts_for_people_and_for_scripts() {
    let (home, stage) = (Home::new(), Stage::new());
    for (arguments, shown) in [
        (&["contacts"][..], "żółw  online\nbob   offline\n"),
        (&["contacts", "--json"], "[{\"login\":\"bob\",\"online\":false},{\"login\":\"żółw\",\"online\":true}]\n"),
    ] {
        let messenger = Running::start(home.ann(&stage.address(), arguments));
        let mut peer = stage.accept_ann();
        peer.expect_contacts_request();
        peer.send(&[b"\x03\x00\rbob\r\x00\r", "żółw".as_bytes(), b"\r\x01"]);
        peer.expect_leaving();
        assert_eq!(messenger.end(), (0, shown.to_owned(), String::new()));
    }
}

#[test]
fn a_shell_completes_the_names_of_the_last_contact_list() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["contacts"]));
    let mut peer = stage.accept_ann();
    peer.expect_contacts_request();
    peer.send(&[b"\x03\x00\rbella\r\x00\rbob\r\x00\rcelina\r\x01"]);
    peer.expect_leaving();
    assert_eq!(messenger.end().0, 0);
    assert_eq!(mode(&home.path("cache/messenger/names")), 0o600);

    let mut command = home.bare(&["--", "messenger", "send", "b"]);
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", "2");
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    let (code, out, err) = Running::start(command).end();
    assert_eq!((code, out.trim_end(), err.as_str()), (0, "bella\nbob", ""));
}

#[test]
fn the_completion_code_is_what_the_shell_takes() {
    let home = Home::new();
    let (code, out, _) = Running::start(home.bare(&["completions", "bash"])).end();
    assert!(code == 0 && out.contains("complete -o"), "{out}");
    let checked = Command::new("bash").args(["-n", "-c", &out]).status().unwrap();
    assert!(checked.success());
    let (code, _, err) = Running::start(home.bare(&["completions", "tcsh"])).end();
    assert_eq!(code, 64);
    assert!(err.contains("these are: bash, elvish, fish"), "{err}");
}

#[test]
fn somebody_is_added() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["add", "Bob"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x04", KEY, b"\rbob"]);
    peer.send(&[b"\x04\x00\r\x01"]);
    peer.expect_contacts_request();
    peer.send(&[b"\x03\x00\rbob\r\x01"]);
    peer.expect_leaving();
    assert_eq!(messenger.end(), (0, "bob is on your contact list, and online\n".to_owned(), String::new()));

    let messenger = Running::start(home.ann(&stage.address(), &["add", "nobody"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x04", KEY, b"\rnobody"]);
    peer.send(&[b"\x04\x01"]);
    peer.expect_leaving();
    assert_eq!(messenger.end(), (67, String::new(), "messenger: nobody has the login nobody\n".to_owned()));
}

#[test]
fn somebody_is_removed() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["remove", "Bob"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x07", KEY, b"\rbob"]);
    peer.send(&[b"\x07\x00"]);
    peer.expect_contacts_request();
    peer.send(&[b"\x03\x01"]);
    peer.expect_leaving();
    assert_eq!(messenger.end(), (0, "bob is off your contact list\n".to_owned(), String::new()));

    let messenger = Running::start(home.ann(&stage.address(), &["remove", "bob"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x07", KEY, b"\rbob"]);
    peer.send(&[b"\x07\x01"]);
    peer.expect_leaving();
    assert_eq!(messenger.end(), (67, String::new(), "messenger: bob was not on your contact list\n".to_owned()));
}

#[test]
fn somebody_is_blocked_and_unblocked() {
    let home = Home::new();
    let ask = |command: &str, request: &[u8], answer: &[u8]| {
        let stage = Stage::new();
        let messenger = Running::start(home.ann(&stage.address(), &[command, "Bob"]));
        let mut peer = stage.accept_ann();
        peer.expect(&[request, KEY, b"\rbob"]);
        peer.send(&[answer]);
        peer.expect_leaving();
        messenger.end()
    };
    let said = |text: &str| (0, text.to_owned(), String::new());
    let refused = |code, text: &str| (code, String::new(), format!("messenger: {text}\n"));
    assert_eq!(ask("block", b"\x08", b"\x08\x00"), said("bob is blocked, and can't tell\n"));
    assert_eq!(ask("block", b"\x08", b"\x08\x01"), refused(67, "nobody has the login bob"));
    assert_eq!(
        ask("block", b"\x08", b"\x08\x02"),
        refused(69, "you block as many as the server allows; unblock somebody")
    );
    assert_eq!(ask("unblock", b"\x09", b"\x09\x00"), said("bob is not blocked any more\n"));
    assert_eq!(ask("unblock", b"\x09", b"\x09\x01"), refused(67, "bob was not blocked"));
}

#[test]
fn a_unix_socket_will_do() {
    let home = Home::new();
    let path = home.path("classic.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let messenger = Running::start(home.ann(path.to_str().unwrap(), &["login"]));
    let mut peer = Peer(listener.accept().unwrap().0);
    peer.log_in_ann();
    peer.expect_leaving();
    assert_eq!(messenger.end().0, 0);
    assert!(std::fs::read_to_string(home.config()).unwrap().contains(path.to_str().unwrap()));
}
