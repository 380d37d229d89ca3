//! What is written down is read, and nothing else is.

use super::*;
use proptest::prelude::*;

fn packet() -> impl Strategy<Value = Packet> {
    let kind = prop_oneof![
        Just(Kind::Reply),
        ".*".prop_map(Kind::Status),
        any::<(i64, u64)>().prop_map(|(account, seq)| Kind::Mail(account, seq))
    ];
    (any::<Vec<u8>>(), kind, any::<bool>()).prop_map(|(bytes, kind, long)| Packet { bytes, kind, long })
}

fn connection() -> impl Strategy<Value = Connection> {
    let session = any::<(i64, String, [u8; 4])>().prop_map(|(account, login, key)| Session { account, login, key });
    let waiting = prop::collection::vec(packet(), 0..4);
    let numbers = any::<(u32, u64, u64)>();
    (numbers, prop::option::of(session), any::<Vec<u8>>(), prop::option::of(packet()), waiting).prop_map(
        |((line, burst, written), session, unread, under_way, waiting)| Connection {
            line,
            session,
            unread,
            burst,
            written,
            under_way,
            waiting,
        },
    )
}

fn debts() -> impl Strategy<Value = Vec<Debt>> {
    let debt = any::<(String, u64)>().prop_map(|(who, milliseconds)| Debt { who, milliseconds });
    prop::collection::vec(debt, 0..3)
}

fn state() -> impl Strategy<Value = State> {
    (any::<u64>(), prop::collection::vec(connection(), 0..5), debts(), debts()).prop_map(
        |(epoch, connections, logins, sources)| State { epoch, connections, debts: Debts { logins, sources } },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_read(state in state()) {
        prop_assert_eq!(State::decode(&state.encode()), Ok(state));
    }

    #[test]
    fn a_connection_takes_no_more_room_than_it_says(connection in connection()) {
        let bytes = minicbor::to_vec_with(&connection, &mut Rest::default()).unwrap();
        prop_assert!(bytes.len() as u64 <= connection.size(), "{} > {}", bytes.len(), connection.size());
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        prop_assert!(State::decode(&bytes).is_err());
    }

    #[test]
    fn no_body_panics(body: Vec<u8>) {
        // Behind a head that is as it should be.
        let _ = State::decode(&with_head(MAJOR, MINOR, &body));
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed(state in state(), at: prop::sample::Index, change in 1..=255_u8) {
        let mut bytes = state.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        // The minor version says nothing that a reader would have to heed.
        prop_assert!((10..12).contains(&at) || State::decode(&bytes).is_err());
    }

    #[test]
    fn a_piece_of_it_is_nothing(state in state(), end: prop::sample::Index) {
        let bytes = state.encode();
        prop_assert!(State::decode(&bytes[..end.index(bytes.len())]).is_err());
    }
}

fn with_head(major: u16, minor: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(major.to_be_bytes());
    bytes.extend(minor.to_be_bytes());
    bytes.extend((body.len() as u64).to_be_bytes());
    bytes.extend(Blake2s256::digest(body));
    bytes.extend(body);
    bytes
}

/// As the next minor version may write it.
#[derive(Encode)]
#[cbor(map)]
struct LaterState {
    #[n(0)]
    epoch: u64,
    #[n(1)]
    connections: Vec<LaterConnection>,
    #[n(7)]
    news: Vec<String>,
}

#[derive(Encode)]
#[cbor(map)]
struct LaterConnection {
    #[n(0)]
    line: u32,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    unread: Vec<u8>,
    #[n(3)]
    burst: u64,
    #[n(4)]
    written: u64,
    #[n(6)]
    waiting: Vec<Packet>,
    #[n(9)]
    budget: (u64, u64),
}

#[test]
fn a_later_minor_version_is_read_and_its_news_passed_over() {
    let later = LaterState {
        epoch: 3,
        connections: vec![LaterConnection {
            line: 17,
            unread: b"half".to_vec(),
            burst: 4,
            written: 9,
            waiting: Vec::new(),
            budget: (1, 2),
        }],
        news: vec!["from the future".into()],
    };
    let state = State::decode(&with_head(MAJOR, MINOR + 1, &minicbor::to_vec(later).unwrap())).unwrap();
    let connection = Connection { line: 17, unread: b"half".to_vec(), burst: 4, written: 9, ..Connection::default() };
    assert_eq!(state, State { epoch: 3, connections: vec![connection], debts: Debts::default() });
}

#[test]
fn a_state_of_this_version_stays_readable() {
    // Written down once. From the first release on this file stays as it is, for good: whoever adds a field adds a
    // file beside it, and both must be read. If this fails, running daemons can't be upgraded without closing
    // their connections.
    let written = include_bytes!("../state-1.0.cbor");
    let state = State::decode(written).unwrap();
    assert_eq!(state, example());
}

fn example() -> State {
    let reply = Packet { bytes: vec![4, 0, b'\r', 1], kind: Kind::Reply, long: false };
    let status = Packet { bytes: b"\x05bob\r\x01".to_vec(), kind: Kind::Status("bob".into()), long: false };
    let mail = Packet { bytes: b"rest of a text".to_vec(), kind: Kind::Mail(7, 43), long: true };
    let session = Session { account: 7, login: "ann".into(), key: [1, 2, 3, 4] };
    let full = Connection {
        line: 1,
        session: Some(session),
        unread: b"\x06half a request".to_vec(),
        burst: 2000,
        written: 43,
        under_way: Some(mail),
        waiting: vec![reply, status],
    };
    let debts = |who: &str| vec![Debt { who: who.into(), milliseconds: 30_000 }];
    let debts = Debts { logins: debts("bob"), sources: debts("192.0.2.7") };
    State { epoch: 12, connections: vec![full, Connection { line: 25_000, ..Connection::default() }], debts }
}

#[test]
fn what_is_longest_takes_no_more_room_than_it_says() {
    let mail = || Packet { bytes: vec![0; 70_000], kind: Kind::Mail(i64::MIN, u64::MAX), long: true };
    let status = Packet { bytes: vec![0; 70_000], kind: Kind::Status("c".repeat(70_000)), long: true };
    let longest = Connection {
        line: u32::MAX,
        session: Some(Session { account: i64::MIN, login: "a".repeat(70_000), key: [255; 4] }),
        unread: vec![0; 70_000],
        burst: u64::MAX,
        written: u64::MAX,
        under_way: Some(mail()),
        waiting: [vec![status], (0..70_000).map(|_| Packet { bytes: Vec::new(), ..mail() }).collect()].concat(),
    };
    assert!(minicbor::to_vec_with(&longest, &mut Rest::default()).unwrap().len() as u64 <= longest.size());
    let debt = || Debt { who: "a".repeat(255), milliseconds: u64::MAX };
    let debts = || (0..DEBTS).map(|_| debt()).collect();
    let debts = Debts { logins: debts(), sources: debts() };
    assert!(minicbor::to_vec(&debts).unwrap().len() as u64 <= MAX - ROOM - 1000);
}

/// Each of these is far below [`MAX`], and would be many times as long in memory.
#[test]
fn lists_that_are_longer_than_any_of_ours_are_refused() {
    let fault = Err(StateFault::Odd("something else than connections"));
    let connections = |count, packets| {
        let packet = Packet { bytes: Vec::new(), kind: Kind::Reply, long: false };
        let connection = Connection { waiting: vec![packet; packets], ..Connection::default() };
        State { connections: vec![connection; count], ..State::default() }
    };
    let debts = |logins, sources| {
        let debts = |count| vec![Debt { who: String::new(), milliseconds: 0 }; count];
        State { debts: Debts { logins: debts(logins), sources: debts(sources) }, ..State::default() }
    };
    let packets = usize::try_from(PACKETS).unwrap();
    for most in [connections(roll::LINES, 0), connections(1, packets), debts(DEBTS, DEBTS)] {
        assert!(State::decode(&most.encode()).is_ok());
    }
    for more in [
        connections(roll::LINES + 1, 0),
        connections(1, packets + 1),
        connections(2, packets / 2 + 1),
        debts(DEBTS + 1, 0),
        debts(0, DEBTS + 1),
    ] {
        let bytes = more.encode();
        assert!((bytes.len() as u64) < MAX);
        assert_eq!(State::decode(&bytes), fault);
    }
}

#[test]
fn of_another_epoch_only_the_epoch_is_read() {
    assert_eq!(State::decode_of(12, &example().encode()), Ok(example()));
    assert_eq!(State::decode_of(13, &example().encode()), Err(StateFault::OutOfDate));
    let epoch_and_nonsense = minicbor::to_vec(std::collections::BTreeMap::from([(0_u8, 12_u8), (1, 7)])).unwrap();
    let bytes = with_head(MAJOR, MINOR, &epoch_and_nonsense);
    assert_eq!(State::decode_of(13, &bytes), Err(StateFault::OutOfDate));
    assert!(matches!(State::decode_of(12, &bytes), Err(StateFault::Odd(_))));
}

#[test]
fn other_versions_are_refused_by_name() {
    let body = minicbor::to_vec_with(State::default(), &mut Rest::default()).unwrap();
    assert_eq!(State::decode(&with_head(MAJOR + 1, 5, &body)), Err(StateFault::Version(MAJOR + 1, 5)));
}
