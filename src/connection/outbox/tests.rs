//! The outbox with a kernel that we can watch, and a clock in our hands.

use super::*;
use crate::domain::Login;
use bytes::Bytes;
use std::cell::{Cell, RefCell};

const GAPS: Gaps =
    Gaps { between: Duration::from_millis(5), after_long: Duration::from_millis(5), patience: Duration::from_mins(1) };
const ANN: AccountId = AccountId(1);

/// A kernel that we can watch: what was written, how much it takes, what it has not passed on.
#[derive(Default)]
struct Kernel {
    writes: RefCell<Vec<Vec<u8>>>,
    room: Cell<Option<usize>>,
    untaken: Cell<usize>,
    unread: Cell<bool>,
    broken: Cell<bool>,
}

impl Link for Kernel {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let size = bytes.len().min(self.room.get().unwrap_or(usize::MAX));
        if size == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get().map(|room| room - size));
        self.writes.borrow_mut().push(bytes[..size].to_vec());
        self.untaken.set(self.untaken.get() + size);
        Ok(size)
    }

    fn untaken(&self) -> io::Result<usize> {
        Ok(self.untaken.get())
    }

    fn has_unread(&self) -> bool {
        self.unread.get()
    }
}

struct Scene {
    outbox: Outbox,
    kernel: Kernel,
    now: Instant,
    taken: Vec<Seq>,
}

impl Scene {
    fn new() -> Self {
        Self { outbox: Outbox::default(), kernel: Kernel::default(), now: Instant::now(), taken: Vec::new() }
    }

    fn push(&mut self, packet: Packet) {
        self.outbox.push(packet, 10_000).unwrap();
    }

    fn step(&mut self) -> Step {
        self.outbox.step(&self.kernel, self.now, GAPS, |_, seq| self.taken.push(seq)).unwrap()
    }

    fn after(&mut self, duration: Duration) -> Step {
        self.now += duration;
        self.step()
    }

    fn writes(&self) -> usize {
        self.kernel.writes.borrow().len()
    }
}

fn mail(seq: u64) -> Packet {
    Packet::mail(Bytes::from_static(b"\x02bob\rhi"), ANN, Seq(seq))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_next_packet_goes_when_the_first_was_taken_and_a_gap_has_passed() {
    let mut scene = Scene::new();
    scene.push(mail(1));
    scene.push(mail(2));
    assert!(matches!(scene.step(), Step::Again(_)));
    assert_eq!(scene.writes(), 1);
    // Long after, but not taken.
    assert!(matches!(scene.after(100 * MS), Step::Again(_)));
    assert_eq!((scene.writes(), scene.taken.len()), (1, 0));
    scene.kernel.untaken.set(0);
    scene.step();
    assert_eq!((scene.writes(), &scene.taken[..]), (2, &[Seq(1)][..]));
    // Taken at once, but too early.
    scene.push(mail(3));
    scene.kernel.untaken.set(0);
    assert_eq!(scene.after(MS), Step::Again(scene.now + 4 * MS));
    assert_eq!((scene.writes(), &scene.taken[..]), (2, &[Seq(1), Seq(2)][..]));
    scene.after(4 * MS);
    assert_eq!(scene.writes(), 3);
}

#[test]
fn mail_that_could_not_be_written_is_not_taken_for_delivered() {
    let mut scene = Scene::new();
    scene.kernel.broken.set(true);
    scene.push(mail(1));
    scene.outbox.step(&scene.kernel, scene.now, GAPS, |_, _| panic!("nobody has taken it")).unwrap_err();
    assert!(scene.outbox.holds_mail() && scene.outbox.has_mail_under_way());
    assert!(!scene.outbox.is_settled() && !scene.outbox.is_empty());
}

fn reply() -> Packet {
    Packet::reply(Bytes::from_static(b"\x03\x01"))
}

/// How many writes there are shortly after a packet, with a request in between, and more to be written. Something may
/// lie unread when the packet is written.
fn writes_after_a_request(unread: bool, packet: Packet, mut happens: impl FnMut(&mut Scene)) -> usize {
    let mut scene = Scene::new();
    scene.kernel.unread.set(unread);
    scene.push(packet);
    scene.step();
    happens(&mut scene);
    scene.kernel.untaken.set(0);
    scene.after(AWAKE);
    scene.push(mail(2));
    scene.step();
    scene.writes()
}

#[test]
fn a_peer_that_has_asked_something_since_a_reply_is_awake_and_gets_the_next_sooner() {
    let asks = |scene: &mut Scene| {
        scene.kernel.untaken.set(0);
        assert_eq!(scene.after(MS / 10), Step::Idle);
        scene.outbox.heard(scene.now, GAPS);
    };
    assert_eq!(writes_after_a_request(false, reply(), asks), 2);
    // It need not have read what it did not ask for.
    assert_eq!(writes_after_a_request(false, mail(1), asks), 1);
}

#[test]
fn a_request_that_lay_unread_when_the_reply_was_written_shows_nothing() {
    let asks = |scene: &mut Scene| {
        scene.kernel.untaken.set(0);
        assert_eq!(scene.after(MS / 10), Step::Idle);
        scene.outbox.heard(scene.now, GAPS);
    };
    assert_eq!(writes_after_a_request(true, reply(), asks), 1);
}

#[test]
fn a_request_that_was_sent_before_the_reply_was_taken_shows_nothing() {
    let asks = |scene: &mut Scene| scene.outbox.heard(scene.now, GAPS);
    assert_eq!(writes_after_a_request(false, reply(), asks), 1);
}

/// Writes a mail, which is taken at once; a request follows it after so long.
fn mail_and_a_request(scene: &mut Scene, after: Duration) {
    scene.push(mail(1));
    scene.step();
    scene.kernel.untaken.set(0);
    scene.after(after);
    scene.outbox.heard(scene.now, GAPS);
}

/// How many packets are written after so many mails that a request followed, and one that comes right behind the last.
fn writes_behind(answered: usize, scene: &mut Scene) -> usize {
    for _ in 0..answered {
        mail_and_a_request(scene, MS);
        scene.after(10 * MS);
    }
    mail_and_a_request(scene, AWAKE / 3);
    let before = scene.writes();
    scene.push(mail(2));
    scene.step();
    scene.writes() - before
}

#[test]
fn a_peer_that_has_answered_one_packet_after_the_other_at_once_is_a_program_and_gets_the_next_sooner() {
    let many = usize::from(PROGRAM);
    assert_eq!(writes_behind(many - 2, &mut Scene::new()), 0);
    assert_eq!(writes_behind(many - 1, &mut Scene::new()), 1);
    // A request that lay unread when the packet was written shows nothing.
    let mut scene = Scene::new();
    scene.kernel.unread.set(true);
    assert_eq!(writes_behind(many + 1, &mut scene), 0);
}

#[test]
fn a_packet_that_is_not_answered_at_once_shows_that_the_peer_is_no_program() {
    let mut scene = Scene::new();
    assert_eq!(writes_behind(usize::from(PROGRAM), &mut scene), 1);
    scene.kernel.untaken.set(0);
    scene.after(10 * MS);
    // The last was not answered, nor is this one within the gap.
    mail_and_a_request(&mut scene, GAPS.between);
    assert_eq!(writes_behind(usize::from(PROGRAM) - 2, &mut scene), 0);
}

#[test]
fn behind_a_packet_of_several_segments_the_gap_begins_when_it_was_taken() {
    let mut scene = Scene::new();
    scene.push(Packet::reply(Bytes::from(vec![3; 600])));
    scene.step();
    scene.push(mail(1));
    scene.kernel.untaken.set(0);
    assert_eq!(scene.after(20 * MS), Step::Again(scene.now + 5 * MS));
    scene.outbox.heard(scene.now, GAPS);
    assert_eq!(scene.after(4 * MS), Step::Again(scene.now + MS));
    scene.after(MS);
    assert_eq!(scene.writes(), 2);
}

#[test]
fn a_packet_that_does_not_fit_is_written_on_when_there_is_room() {
    let mut scene = Scene::new();
    scene.kernel.room.set(Some(3));
    scene.push(mail(1));
    scene.push(mail(2));
    scene.step();
    scene.kernel.room.set(Some(100));
    scene.kernel.untaken.set(0);
    scene.after(10 * MS);
    assert_eq!(scene.kernel.writes.borrow().concat(), b"\x02bob\rhi");
    assert_eq!(scene.writes(), 2);
}

#[test]
fn a_peer_that_takes_nothing_for_too_long_has_stalled() {
    let mut scene = Scene::new();
    scene.push(mail(1));
    scene.step();
    assert!(matches!(scene.after(Duration::from_secs(59)), Step::Again(_)));
    assert_eq!(scene.after(MS * 1000), Step::Stalled);
    assert_eq!(scene.taken, []);
}

#[test]
fn a_peer_that_takes_a_long_packet_slowly_has_not_stalled() {
    let mut scene = Scene::new();
    scene.push(mail(1));
    scene.step();
    for untaken in (1..7).rev() {
        scene.kernel.untaken.set(untaken);
        assert!(matches!(scene.after(Duration::from_secs(59)), Step::Again(_)));
    }
    assert_eq!(scene.after(Duration::from_mins(1)), Step::Stalled);
}

#[test]
fn news_that_comes_while_a_request_is_answered_goes_behind_the_answer() {
    let mut scene = Scene::new();
    let bob = || Login::parse("bob").unwrap();
    scene.push(Packet::status(Bytes::from_static(b"\x05ann\r\x01"), Login::parse("ann").unwrap()));
    scene.push(Packet::status(Bytes::from_static(b"\x05bob\r\x01"), bob()));
    scene.outbox.hold_statuses();
    scene.push(Packet::status(Bytes::from_static(b"\x05bob\r\x00"), bob()));
    scene.push(Packet::status(Bytes::from_static(b"\x05bob\r\x01"), bob()));
    scene.push(mail(1));
    scene.push(Packet::reply(Bytes::from_static(b"\x03\x01")));
    scene.outbox.release_statuses();
    for _ in 0..9 {
        scene.kernel.untaken.set(0);
        scene.after(10 * MS);
    }
    let writes = scene.kernel.writes.borrow();
    assert_eq!(writes.concat(), b"\x05ann\r\x01\x02bob\rhi\x03\x01\x05bob\r\x01");
    assert!(scene.outbox.is_empty());
    assert!(scene.outbox.queue.is_none(), "nothing is kept for what does not wait");
}

#[test]
fn a_newer_status_takes_the_place_of_an_older_one_and_nothing_else_does() {
    let mut scene = Scene::new();
    let bob = Login::parse("bob").unwrap();
    scene.push(mail(1));
    scene.push(Packet::status(Bytes::from_static(b"\x05bob\r\x01"), bob.clone()));
    scene.push(mail(2));
    scene.push(Packet::status(Bytes::from_static(b"\x05bob\r\x00"), bob));
    for _ in 0..9 {
        scene.kernel.untaken.set(0);
        scene.after(10 * MS);
    }
    let writes = scene.kernel.writes.borrow();
    assert_eq!(writes.len(), 3);
    assert_eq!(writes[2], b"\x05bob\r\x00");
}

#[test]
fn more_than_the_limit_is_refused_but_a_single_packet_may_be_long() {
    let mut outbox = Outbox::default();
    let reply = |size| Packet::reply(Bytes::from(vec![0; size]));
    assert_eq!(outbox.push(reply(2000), 1000), Ok(()));
    assert_eq!(outbox.push(reply(1), 1000), Err(Full));
    // Mail has a half of its own, and even the shortest counts for what it takes.
    for seq in 1..=3 {
        assert_eq!(outbox.push(mail(seq), 1000), Ok(()), "{seq}");
    }
    assert_eq!(outbox.push(mail(4), 1000), Err(Full));
    assert_eq!(outbox.written_up_to(Seq(3)), Seq(0));
}

#[test]
fn when_a_session_ends_only_replies_stay() {
    let mut scene = Scene::new();
    scene.push(mail(1));
    scene.push(Packet::reply(Bytes::from_static(b"\x03\x01")));
    assert_eq!(scene.outbox.written_up_to(Seq(1)), Seq(0));
    scene.outbox.drop_events();
    assert_eq!(scene.outbox.written_up_to(Seq(1)), Seq(1));
    assert!(!scene.outbox.holds_mail());
    scene.step();
    assert_eq!(scene.kernel.writes.borrow()[..], [b"\x03\x01".to_vec()]);
}
