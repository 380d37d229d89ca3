//! `messengerctl status`: how the daemon is, while it runs and while it does not.

use crate::administration::{add, ctl, done, listening};
use serde_json::{Value, json};

#[test]
fn a_status_has_who_is_here_what_waits_and_how_long_things_take() {
    let server = listening(&[]);
    let (mut ann, bob) = (server.person("ann"), server.person("bob"));
    ann.add("bob");
    drop(bob);
    ann.sees("bob", 0);
    ann.write("bob", "for later");
    ann.barrier();
    let shown = done(&server.scratch, &["status"]);
    assert!(shown.starts_with(&format!("messengerd {} is running, for ", env!("CARGO_PKG_VERSION"))), "{shown}");
    for line in ["1 account, 1 session", "1 in 1 mailbox, 1 in the fullest", "1 accepted, 0 delivered", "writer"] {
        assert!(shown.contains(line), "no {line:?} in\n{shown}");
    }
    assert!(!shown.contains("messengerctl is"), "both are of one version:\n{shown}");
    let told: Value = serde_json::from_str(&done(&server.scratch, &["status", "--json"])).unwrap();
    assert_eq!(told["running"], json!(true));
    let status = &told["status"];
    assert_eq!((&status["accounts_online"], &status["messages_accepted"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(status["connections"][0]["protocol"], json!("classic"));
    let commits = status["latencies"].as_array().unwrap().iter().find(|one| one["name"] == "commit").unwrap();
    assert!(commits["count"].as_u64() > Some(0) && commits["p99_seconds"].as_f64() > Some(0.0), "{commits}");
    assert!(status["process"]["memory_bytes"].as_u64() > Some(1_000_000), "{status}");
}

#[test]
fn who_is_stopped_is_said_to_be_with_what_the_database_knows_and_the_code_of_systemctl() {
    let server = listening(&[]);
    add(&server.scratch, "ann");
    add(&server.scratch, "bob");
    let scratch = server.stop();
    let (code, out, _) = ctl(&scratch, &["status"]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.starts_with("messengerd is not running") && out.contains("2 accounts, 0 messages, "), "{out}");
    let (code, out, _) = ctl(&scratch, &["status", "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["running"], &told["database"]["accounts"]), (Some(3), &json!(false), &json!(2)), "{told}");
    // Nor is it an error that there is no database.
    std::fs::remove_dir_all(scratch.state()).unwrap();
    let (code, out, _) = ctl(&scratch, &["status"]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("there is no database"), "{out}");
}
