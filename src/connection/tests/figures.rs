//! What is counted of connections is what happened to them.

use super::*;

#[tokio::test]
async fn what_waits_and_what_was_taken_is_counted() {
    let mut scene = Scene::new().await;
    let shared = Arc::clone(&scene.connection.shared);
    let figures = || shared.figures().remove(0);
    assert_eq!((figures().outbox_bytes, figures().delivered), (0, 0));
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    assert!(figures().log_ins.contains(&("done", 1)));
    // Whoever has had one message has read the mailbox, and the next come straight from memory.
    scene.write("zero").await;
    assert_eq!(scene.read().await, b"\x02bob\rzero");
    let before = figures().delivered;
    for text in ["one", "two", "three"] {
        scene.write(text).await;
    }
    // The first is under way, and the peer has not read it yet.
    let waiting = figures().outbox_bytes;
    assert!(waiting > 2 * "\x02bob\r".len() as u64, "{waiting}");
    assert_eq!(figures().delivered, before);
    assert_eq!(scene.read().await, b"\x02bob\rone");
    assert!(figures().delivered == before + 1 && figures().outbox_bytes < waiting);
    // What waits for somebody who is gone waits no more.
    let Scene { connection, peer, _folder, .. } = scene;
    drop(peer);
    serve(connection).await;
    assert_eq!(figures().outbox_bytes, 0);
}

#[tokio::test]
async fn an_end_and_a_refusal_are_counted_by_their_reasons() {
    let scene = Scene::new().await;
    let shared = Arc::clone(&scene.connection.shared);
    let serving = tokio::spawn(serve(Arc::clone(&scene.connection)));
    let mut peer = &scene.peer;
    peer.write_all(b"\x06\x01\x01\x01\x01\rbob\rtext").unwrap();
    serving.await.unwrap();
    let figures = shared.figures().remove(0);
    assert!(figures.requests.contains(&("message", 1)), "{figures:?}");
    assert!(figures.closed.contains(&("not_permitted", 1)), "{figures:?}");
    assert_eq!((figures.open, figures.taken_up, figures.accepted), (0, 1, 0));
    shared.counts.came(&Err(Refused::TooFast));
    shared.counts.came(&Ok(()));
    let figures = shared.figures().remove(0);
    assert!(figures.refused.contains(&("source_requests", 1)) && figures.accepted == 1, "{figures:?}");
}

/// The names under which requests are counted are those of the table; what is new there is added here.
#[test]
fn each_request_is_counted_under_its_own_name() {
    use crate::domain::Secret;
    use crate::domain::request::{Request, Text};
    let word = || String::from("x");
    let secret = || Secret::new(word());
    let requests = [
        Request::SignUp { email: word(), login: word(), password: secret() },
        Request::LogIn { login: word(), password: secret() },
        Request::LogOut,
        Request::GetContacts,
        Request::AddContact { login: word() },
        Request::RemoveContact { login: word() },
        Request::Block { login: word() },
        Request::Unblock { login: word() },
        Request::ChangePassword { old: secret(), new: secret() },
        Request::DeleteAccount { password: secret() },
        Request::GetHistory { login: word(), before: Seq(1), count: 1 },
        Request::SendMessage { recipient: word(), text: Text("x".into()) },
    ];
    let figures = Figures::default();
    for request in &requests {
        figures.asked(crate::handlers::needs(request).0);
    }
    assert_eq!(figures.requests.read().last(), Some(&("other", 0)));
}
