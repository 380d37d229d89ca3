//! The keys: one entry each, with all there is to say about it.

use super::define::settings;
use super::kind::{ContactsPolicy, GIB, KIB, Kind, ListenAddress, LogFormat, LogLevel, MIB, SignUp, Synchronous};
use super::kind::{absolute_path, addresses, choice, duration, name, size, switch, whole, whole_seconds};
use std::path::PathBuf;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// A hundred years.
const AGES: Duration = Duration::from_hours(24 * 36_525);

settings! {
    /// Where clients and administrators connect, when no socket is passed in.
    listen: Listen {
        /// Where clients of the classic protocol connect: IP addresses with a port, an IPv6 address in brackets,
        /// and absolute paths of UNIX sockets (at most 107 bytes). Port 0 lets the kernel choose a free port, which
        /// the log tells.
        /// Used only when systemd passed no socket named "classic"; otherwise the socket unit says where.
        /// The address 0.0.0.0 (with IPv6: "::", in brackets) stands for every network that the machine is on. The
        /// classic protocol is not encrypted, so think twice. A UNIX socket is open to the user and the group that the
        /// daemon runs as (mode 0660); for others, let a socket unit make it, with SocketGroup= and SocketMode=.
        restart classic: Vec<ListenAddress> = vec![
            ListenAddress::Tcp(([127, 0, 0, 1], 54_321).into()),
            ListenAddress::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], 54_321).into()),
        ], addresses();

        /// Where administrators' commands (messengerctl) reach the daemon: the absolute path of a UNIX socket, at
        /// most 107 bytes. It is open to root and to the user who started the daemon (mode 0600). Unset: nowhere.
        /// Used only when systemd passed no socket named "control". The package has messengerd-control.socket, where
        /// SocketGroup= and SocketMode= say who may connect.
        restart control: Option<PathBuf> = None, absolute_path("/run/messengerd/control");

        /// Where programs that collect metrics ask for them, with HTTP ("GET /metrics"): addresses as above. There is no
        /// login or text in them, but how much is going on. A UNIX socket is open to the user and the group that the
        /// daemon runs as (mode 0660).
        /// Used only when systemd passed no socket named "metrics". The package has messengerd-metrics.socket, where
        /// ListenStream=, SocketGroup= and SocketMode= say where and for whom.
        restart metrics: Vec<ListenAddress> = Vec::new(), addresses();
    }

    /// What is kept on disk.
    state: State {
        /// The directory where the database lives. It must belong to the user that the daemon runs as, and be on a
        /// local disk: the database's locks do not hold on network file systems.
        /// Unset: $STATE_DIRECTORY, which systemd sets; else /var/lib/messengerd for root; else
        /// $XDG_STATE_HOME/messengerd, which is ~/.local/state/messengerd where XDG_STATE_HOME is unset.
        restart directory: Option<PathBuf> = None, absolute_path("/var/lib/messengerd");
    }

    /// The process: whom it runs as, its threads, its end.
    process: Process {
        /// The user that the daemon becomes when it was started as root; it never serves as root. When another user
        /// started it, it stays that user, and this is not looked at.
        /// Unset: "messengerd", or where there is no such user, a numeric id of its own. A user that is named here
        /// must exist.
        restart user: Option<String> = None, name("messengerd");

        /// The group that goes with the user. Unset: "messengerd" where the user is unset as well, else the user's
        /// own group in passwd(5).
        restart group: Option<String> = None, name("messengerd");

        /// How many threads serve connections. 0: one for each CPU that the daemon may run on. Threads of the store
        /// and of password hashing come on top.
        restart worker_threads: usize = 0, whole(0..=64);

        /// How long a stopping daemon goes on writing to clients what waits for them, where systemd does not keep
        /// their connections for the next one. Then it closes them; messages that were not taken stay in the
        /// mailboxes. Keep it below TimeoutStopSec= of the unit (90s unless it was changed), or systemd kills the
        /// daemon first. 0s: close at once.
        reload stop_deadline: Duration = 10 * SECOND, duration(Duration::ZERO..=HOUR);
    }

    /// What the daemon forbids itself when it has started, so that whoever breaks into it has little of the machine. It
    /// comes on top of what the unit forbids, and holds without systemd too.
    sandbox: Sandbox {
        /// Whether the daemon refuses to start (exit code 78) where one of the layers below can't be had, such as on a
        /// kernel without Landlock. Otherwise it warns, says so in its status, and serves. A layer that is switched off
        /// below is not missed.
        restart require: bool = false, switch();

        /// Files and networks, by Landlock (Linux 5.13, more of it in later ones): the daemon writes in its state
        /// directory only, reads its configuration and little else, and opens no TCP connections. The configuration's
        /// files are looked up at the start: a directory that is made later, or a symbolic link that leads elsewhere
        /// later, is read after a restart. The same goes for a file of --config when another takes its place, as some
        /// editors do.
        restart landlock: bool = true, switch();

        /// System calls, by a seccomp filter: the kernel kills the daemon (SIGSYS) as soon as it makes a call that
        /// serving does not need. Switch it off only to find out whether it is in the way, and then report what it
        /// killed.
        restart seccomp: bool = true, switch();
    }

    /// What is logged, and how.
    log: Log {
        /// The least urgent records that are still logged. "debug" says a line or two for every connection; "trace" is
        /// for those who work on messengerd. No level logs a password, a session key or the text of a message.
        reload level: LogLevel = LogLevel::Info, choice();

        /// What the records look like. "auto": to the journal, with fields, when systemd connected the daemon to it,
        /// else lines of text. "journal", "text" and "json" (one object on each line) do so always.
        restart format: LogFormat = LogFormat::Auto, choice();
    }

    /// Accounts of people.
    accounts: Accounts {
        /// Who may make an account: with "open" everyone who can connect, with "invite" whoever has a code that
        /// "messengerctl invite create" made, with "closed" nobody. Those who have an account may log in either way,
        /// and "messengerctl user add" makes accounts whatever it says. The Debian package sets it to "invite".
        reload sign_up: SignUp = SignUp::Open, choice();

        /// How many characters (not bytes) a new password needs at least. Passwords that were set earlier stay valid
        /// when it is raised.
        reload password_min_length: usize = 8, whole(1..=128);

        /// Sign-ups from one source that are tried at once, whether or not they make an account. The next is told that
        /// no sign-ups are taken for the moment. A source is an IPv4 address, an IPv6 network of /64, or on a UNIX
        /// socket a user.
        reload source_sign_ups: u32 = 20, whole(1..=1_000_000);

        /// After this long one more sign-up from a source is tried.
        reload source_sign_ups_refill: Duration = 10 * MINUTE, duration(Duration::ZERO..=DAY);

        /// Sign-ups from all sources together that are tried at once, as above.
        reload sign_ups: u32 = 200, whole(1..=1_000_000);

        /// After this long one more sign-up, from wherever, is tried.
        reload sign_ups_refill: Duration = MINUTE, duration(Duration::ZERO..=DAY);

        /// How many contacts one account may have, and how many it may block. Whoever adds one more gets the answer that there is nobody of that
        /// name: the classic protocol has no other. Those who have more already keep them.
        reload contacts_max: usize = 1_000, whole(0..=1_000_000);
    }

    /// Who sees whom.
    contacts: Contacts {
        /// Whose status somebody sees who has put them on the contact list: with "open" everybody's, with "mutual" that
        /// of those who have put them on theirs as well; to others they are offline, and can be written to all the same.
        /// Whoever has blocked somebody is offline to them either way. A change holds for lists that are asked for and for
        /// whoever comes or goes from then on: who was told of somebody before keeps that until then.
        reload policy: ContactsPolicy = ContactsPolicy::Open, choice();
    }

    /// How long mailboxes keep messages. Each limit may differ for one account (messengerctl retention set). A message stands in
    /// two mailboxes, its sender's and its recipient's, and is gone when both have let go of it.
    retention: Retention {
        /// How long a mailbox keeps what was delivered: what has come to its owner, and what its owner has sent. 0s: for ever.
        reload delivered_age: Duration = Duration::ZERO, duration(Duration::ZERO..=AGES);

        /// How many messages that were delivered a mailbox keeps: the newest. 0: all.
        reload delivered_count: u64 = 0, whole(0..=1_000_000_000);

        /// How long a mailbox keeps what waits for its owner to log in. Then it is lost to them. 0s: for ever.
        reload undelivered_age: Duration = Duration::ZERO, duration(Duration::ZERO..=AGES);

        /// How many messages that wait for their owner a mailbox keeps: the newest. 0: all.
        reload undelivered_count: u64 = 0, whole(0..=1_000_000_000);

        /// How long after one look through all mailboxes comes the next. The first is when the daemon starts, and
        /// "messengerctl retention run" is one more.
        reload interval: Duration = HOUR, duration(MINUTE..=30 * DAY);
    }

    /// Passwords and log-ins.
    auth: Auth {
        /// Memory for the hashing of one password with argon2id (RFC 9106), counted in whole KiB. More memory makes a
        /// stolen database harder to search, and each log-in slower. It needs at least 8KiB for each lane.
        /// A stored hash is renewed with the present values when its owner next logs in.
        reload argon2_memory: u64 = 19 * MIB, size(8 * KIB..=4 * GIB);

        /// How often argon2id goes through its memory: the time for one hash grows with it.
        reload argon2_iterations: u32 = 2, whole(1..=1_000);

        /// How many lanes argon2id divides its memory into. It is part of the hash; more lanes do not make hashing
        /// faster here.
        reload argon2_lanes: u32 = 1, whole(1..=64);

        /// Hashes computed at the same time. Each takes argon2_memory, up to a second longer than it is computed, and
        /// keeps one CPU busy. Messages go first (the threads have a niceness of 19): while the CPUs are busy with them,
        /// log-ins take longer.
        restart hashing_threads: usize = 1, whole(1..=64);

        /// How many log-ins and sign-ups wait for a hashing thread; one more is told to try later. 0: none waits,
        /// and whoever comes while all threads are busy is told to try later.
        restart hashing_queue: usize = 64, whole(0..=100_000);

        /// Whether a log-in with an unknown login gets the same answer, after the same time, as one with a wrong
        /// password, so that nobody can find out which accounts exist. Sign-up still tells when a login is taken.
        /// An unknown login takes the time of the account behind it in the order of logins, so that hashes with other
        /// argon2 parameters than today's don't tell either.
        reload hide_unknown_login: bool = false, switch();

        /// Failed log-ins to one account in a row before it must wait. Then each log-in to it, from wherever, is
        /// told to try later until a failure is forgiven; a log-in that succeeds forgives all.
        /// So whoever fails on purpose again and again can keep the owner out; source_failures slows that down.
        reload account_failures: u32 = 10, whole(1..=100_000);

        /// After this long one more failure of an account is forgiven.
        reload account_refill: Duration = 30 * SECOND, duration(MILLISECOND..=DAY);

        /// Failed log-ins from one source, to whichever accounts, before it must wait. A source is an IPv4 address
        /// or an IPv6 network of /64. Raise it where many people share an address, as behind NAT.
        reload source_failures: u32 = 30, whole(1..=100_000);

        /// After this long one more failure of a source is forgiven.
        reload source_refill: Duration = 10 * SECOND, duration(MILLISECOND..=DAY);

        /// Log-ins from one source at once, right ones as well; the next is told to try later. It keeps one who knows a
        /// password from having all the hashing for themselves.
        reload source_log_ins: u32 = 200, whole(1..=1_000_000);

        /// After this long one more log-in from a source is taken.
        reload source_log_ins_refill: Duration = 200 * MILLISECOND, duration(Duration::ZERO..=DAY);
    }

    /// Connections of clients, whatever their protocol.
    connections: Connections {
        /// Connections at the same time. While there are so many, one more takes the place of the one that has been
        /// without a session for longest; if all have one, it is closed as soon as it is accepted. Each
        /// takes a file descriptor: LimitNOFILE= of the unit must leave room, and FileDescriptorStoreMax= must be
        /// two more than this, so that systemd can keep them when the daemon restarts.
        restart max: usize = 10_000, whole(1..=1_000_000);

        /// Connections from one source at the same time: an IPv4 address, an IPv6 network of /64, or on a UNIX socket a
        /// user. One more is closed as soon as it is accepted. Raise it where all come through one proxy.
        reload source_max: usize = 1_000, whole(1..=1_000_000);

        /// How long a peer may take for its first request. Then it is disconnected.
        reload first_request: Duration = MINUTE, duration(MILLISECOND..=DAY);

        /// How long a connection may be without a session, from its beginning or from the log-out, whatever its peer asks
        /// for meanwhile. Then it is disconnected. Those who sign up or have mistyped their password need some time.
        reload log_in: Duration = 10 * MINUTE, duration(MILLISECOND..=DAY);

        /// Requests on one connection at once, messages too. When they are spent, the connection is read no faster than
        /// more are given: what the peer sends waits in the network, and nothing is lost. People never notice;
        /// programs that write a great deal do.
        reload requests: u32 = 1_000, whole(1..=1_000_000);

        /// After this long a connection is given one more request.
        reload requests_refill: Duration = 20 * MILLISECOND, duration(Duration::ZERO..=HOUR);

        /// Requests on all connections of one source together at once, as above; a new connection costs one as well, and is
        /// closed at once when there is none left.
        reload source_requests: u32 = 10_000, whole(1..=10_000_000);

        /// After this long a source is given one more request.
        reload source_requests_refill: Duration = MILLISECOND, duration(Duration::ZERO..=HOUR);

        /// How much may wait in memory for one peer that reads slowly. Messages have one half of it: what finds no
        /// room stays in the mailbox and comes when the peer has read. Answers and news of contacts have the other:
        /// a peer for whom more of them would wait is disconnected. It must be at least classic.request_max.
        reload outbox_max: usize = 256 * 1_024, size(64 * KIB..=GIB);

        /// How long a connection is silent before the kernel begins to ask whether its peer is still there (tcp(7),
        /// TCP_KEEPIDLE).
        restart keepalive_idle: Duration = 60 * SECOND, whole_seconds(SECOND..=9 * HOUR);

        /// How long after one such question without an answer comes the next (tcp(7), TCP_KEEPINTVL).
        restart keepalive_interval: Duration = 15 * SECOND, whole_seconds(SECOND..=9 * HOUR);

        /// A peer whose kernel has taken none of what waits for it for so long is disconnected, and so is one that
        /// has said nothing for so long and does not answer when asked (tcp(7), TCP_USER_TIMEOUT). Counted in whole
        /// milliseconds. With the defaults a peer that vanished is noticed within some 75 seconds.
        restart user_timeout: Duration = 60 * SECOND, duration(MILLISECOND..=DAY);
    }

    /// The classic protocol: that of the original server and its clients.
    classic: Classic {
        /// The longest request, and with it the longest message. A peer that sends more is disconnected.
        reload request_max: usize = 64 * 1_024, size(KIB..=16 * MIB);

        /// How long after one packet the next may follow, at the earliest, so that the peer reads them one by one:
        /// the protocol has no other border between packets. Longer is safer with slow clients, and delivers fewer
        /// packets each second to one client: 100 with 10ms. A client that asks and gets an answer, or that answers each
        /// packet at once as programs do, is seen to have read, and need not wait. 0s: as soon as the peer's kernel
        /// has the last one.
        reload packet_gap: Duration = 10 * MILLISECOND, duration(Duration::ZERO..=SECOND);

        /// How long a pause must be for a request of more than 512 bytes to count as complete. Such a request can
        /// come in several pieces, and nothing in it says where it ends. Longer is safer on slow lines, and each
        /// long message waits so long. 0s: complete as soon as nothing more is there to be read.
        reload request_gap: Duration = 25 * MILLISECOND, duration(Duration::ZERO..=5 * SECOND);
    }

    /// The database.
    store: Store {
        /// What a commit waits for. "full": until the disk has it, so that what was acknowledged survives a power
        /// cut. "normal": until the kernel has it; faster, and a power cut may take the last messages, though it
        /// never damages the database. Either survives a crash of the daemon.
        restart synchronous: Synchronous = Synchronous::Full, choice();

        /// Threads that read from the database, each with a connection of its own.
        restart readers: usize = 2, whole(1..=64);

        /// The most requests in one commit. What waits while one commit is under way goes into the next, up to this
        /// number: under load, many messages share one wait for the disk. 1: each has its own.
        restart batch_max: usize = 256, whole(1..=10_000);

        /// How long to wait for another program that holds the database, such as a sqlite3 in a transaction, before a
        /// request fails (messengerctl backup holds nobody up). 0s: it fails at once. Nothing is written meanwhile, so
        /// keep it below a quarter of WatchdogSec= of the unit, or such a program gets the daemon restarted.
        restart busy_timeout: Duration = 5 * SECOND, duration(Duration::ZERO..=HOUR);
    }
}
