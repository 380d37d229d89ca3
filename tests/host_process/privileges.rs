//! Dropping root, and trying to have it back.

use super::{Named, Scene, child, is_root, said};
use caps::{CapSet, Capability};
use messengerd::host::privileges::{DYNAMIC_IDS, Wanted, drop_to, plan, prepare_state_directory};
use nix::sys::prctl::{get_dumpable, set_keepcaps};
use nix::unistd::{Gid, Uid, User, seteuid, setgid, setgroups, setresgid, setresuid, setuid};
use serde_json::{Map, Value, json};
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const SCENES: &[Named] = &[
    ("privileges::nothing_is_left_and_nothing_comes_back", nothing_is_left),
    ("privileges::a_named_user_is_served_as", a_named_user),
    ("privileges::the_numeric_id_is_the_same_at_the_next_start", the_same_at_the_next_start),
    ("privileges::root_is_not_served_as", root_is_not_served_as),
    ("privileges::who_is_not_root_gives_up_capabilities_and_stays", capabilities_of_somebody_else),
];

/// Plans, prepares, drops, and tries everything. Arguments: the state directory, a set-user-ID `cat` or nothing, and a
/// user's name or nothing.
pub(crate) fn dropping(arguments: &[String]) -> Value {
    let [state, cat, user] = arguments else { panic!("three arguments, not {arguments:?}") };
    let state = Path::new(state);
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    if is_root() {
        // Something to lose in every set that a plain root process has empty.
        setgroups(&[0, 1, 4].map(Gid::from_raw)).unwrap();
        caps::raise(None, CapSet::Inheritable, Capability::CAP_CHOWN).unwrap();
        caps::raise(None, CapSet::Ambient, Capability::CAP_CHOWN).unwrap();
    }
    let identity = match plan(&Wanted { user: some(user), group: None }, state) {
        Ok(identity) => identity,
        Err(error) => return json!({ "error": error.to_string(), "exit": error.exit() as u8 }),
    };
    prepare_state_directory(state, &identity).unwrap();
    let dropped = drop_to(&identity).unwrap();
    fs::write(state.join("file"), "state").expect("the state directory is ours");
    json!({
        "identity": identity.to_string(),
        "uid": dropped.uid().as_raw(),
        "gid": dropped.gid().as_raw(),
        "bounding set is empty": dropped.bounding_set_is_empty(),
        "dumpable": get_dumpable().unwrap(),
        "status": status_of("self"),
        "status of a new thread": std::thread::spawn(|| status_of("thread-self")).join().unwrap(),
        "refused": attempts(),
        "set-user-ID program": some(cat).map(|cat| {
            fields(&String::from_utf8(status_by(&cat)).unwrap())
        }),
    })
}

/// What this program, just copied, says of itself. As long as another scene's child, begun meanwhile, has the copy open for
/// writing, it can't be run.
fn status_by(cat: &str) -> Vec<u8> {
    loop {
        match Command::new(cat).arg("/proc/self/status").output() {
            Err(busy) if busy.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            said => return said.unwrap().stdout,
        }
    }
}

/// Not root, but with capabilities, as `AmbientCapabilities=` of systemd.exec(5) starts a service.
pub(crate) fn dropping_capabilities() -> Value {
    let (uid, gid) = (Uid::from_raw(61300), Gid::from_raw(61301));
    setgroups(&[Gid::from_raw(4)]).unwrap();
    set_keepcaps(true).unwrap();
    setresgid(gid, gid, gid).unwrap();
    setresuid(uid, uid, uid).unwrap();
    for set in [CapSet::Inheritable, CapSet::Ambient, CapSet::Effective] {
        caps::raise(None, set, Capability::CAP_NET_BIND_SERVICE).unwrap();
    }
    let before = status_of("self");
    let identity = plan(&Wanted { user: Some("no-such-user".into()), group: None }, Path::new("/missing")).unwrap();
    let dropped = drop_to(&identity).unwrap();
    json!({
        "before": before,
        "identity": identity.to_string(),
        "bounding set is empty": dropped.bounding_set_is_empty(),
        "status": status_of("self"),
        "refused": attempts(),
    })
}

/// Each way back to root, and whether it was refused.
fn attempts() -> Value {
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    json!({
        "setuid": setuid(root).is_err(),
        "seteuid": seteuid(root).is_err(),
        "setresuid": setresuid(root, root, root).is_err(),
        "setgid": setgid(group).is_err(),
        "setresgid": setresgid(group, group, group).is_err(),
        "setgroups": setgroups(&[group]).is_err(),
        "capset permitted": caps::raise(None, CapSet::Permitted, Capability::CAP_SETUID).is_err(),
        "capset effective": caps::raise(None, CapSet::Effective, Capability::CAP_SETUID).is_err(),
        "ambient": caps::raise(None, CapSet::Ambient, Capability::CAP_SETUID).is_err(),
        "open /etc/shadow": File::open("/etc/shadow").is_err(),
        "chroot": nix::unistd::chroot("/").is_err(),
    })
}

fn status_of(process: &str) -> Map<String, Value> {
    fields(&fs::read_to_string(format!("/proc/{process}/status")).unwrap())
}

/// What `/proc/PID/status` says about privileges, with single spaces.
fn fields(status: &str) -> Map<String, Value> {
    let wanted = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"];
    let pairs = status.lines().filter_map(|line| line.split_once(':'));
    pairs
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ").into()))
        .collect()
}

/// A folder that others may enter, with the paths of a state directory and a set-user-ID `cat` of root's.
struct Stage {
    _folder: tempfile::TempDir,
    state: PathBuf,
    cat: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let (state, cat) = (folder.path().join("state"), folder.path().join("cat"));
        fs::copy("/bin/cat", &cat).unwrap();
        fs::set_permissions(&cat, Permissions::from_mode(0o4755)).unwrap();
        Self { _folder: folder, state, cat }
    }

    fn drop_privileges(&self, user: &str) -> Value {
        let output = child("dropping").arg(&self.state).arg(&self.cat).arg(user).output().unwrap();
        said(&output.stdout, &output)
    }
}

fn assert_clean(status: &Value, uid: &Value, gid: &Value) {
    assert_eq!(status["Uid"], format!("{uid} {uid} {uid} {uid}"));
    assert_eq!(status["Gid"], format!("{gid} {gid} {gid} {gid}"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0".repeat(16), "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
}

fn assert_refused(attempts: &Value) {
    let attempts = attempts.as_object().unwrap();
    assert!(attempts.len() > 10);
    for (attempt, refused) in attempts {
        assert_eq!(refused, true, "{attempt}");
    }
}

fn nothing_is_left() -> Scene {
    let stage = Stage::new();
    let said = stage.drop_privileges("");
    assert_eq!(said["dumpable"], false);
    if !is_root() {
        eprintln!("not root: only the unprivileged branch is tried");
        assert_clean(&said["status"], &said["uid"], &said["gid"]);
        return Scene::Played;
    }
    assert_refused(&said["refused"]);
    for who in ["status", "status of a new thread", "set-user-ID program"] {
        assert_clean(&said[who], &said["uid"], &said["gid"]);
        assert_eq!(said[who]["Groups"], "", "{who}");
        assert_eq!(said[who]["CapBnd"], "0".repeat(16), "{who}");
    }
    assert_eq!(said["bounding set is empty"], true);
    if User::from_name("messengerd").unwrap().is_none() {
        let uid = u32::try_from(said["uid"].as_u64().unwrap()).unwrap();
        assert!(DYNAMIC_IDS.contains(&uid), "{uid}");
        assert_eq!(said["uid"], said["gid"]);
        let identity = said["identity"].as_str().unwrap();
        assert!(identity.contains("since there is no user messengerd"), "{identity}");
    }

    // The same program, without no_new_privs, does become root: so it is the drop that stopped it.
    let control = Command::new(&stage.cat).arg("/proc/self/status").uid(61400).gid(61400).output().unwrap();
    let control = fields(&String::from_utf8(control.stdout).unwrap());
    if control["Uid"] != "61400 0 0 0" {
        eprintln!("set-user-ID programs do nothing here (nosuid?): that part shows nothing");
    }
    Scene::Played
}

fn a_named_user() -> Scene {
    if !is_root() {
        return Scene::NotHere("not root");
    }
    let said = Stage::new().drop_privileges("nobody");
    let nobody = User::from_name("nobody").unwrap().expect("every Linux has it");
    assert_eq!(said["identity"], format!("user nobody (uid {}, gid {})", nobody.uid, nobody.gid));
    assert_eq!(
        (said["uid"].as_u64(), said["gid"].as_u64()),
        (Some(nobody.uid.as_raw().into()), Some(nobody.gid.as_raw().into()))
    );
    assert_clean(&said["status"], &said["uid"], &said["gid"]);
    assert_refused(&said["refused"]);
    Scene::Played
}

fn the_same_at_the_next_start() -> Scene {
    if !is_root() {
        return Scene::NotHere("not root");
    }
    if User::from_name("messengerd").unwrap().is_some() {
        return Scene::NotHere("this machine has a user messengerd");
    }
    let stage = Stage::new();
    let first = stage.drop_privileges("");
    assert_eq!(fs::metadata(&stage.state).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(u64::from(fs::metadata(&stage.state).unwrap().uid()), first["uid"].as_u64().unwrap());
    let second = stage.drop_privileges("");
    assert_eq!(second["uid"], first["uid"]);
    let identity = second["identity"].as_str().unwrap();
    assert!(identity.ends_with(&format!("(it owns {})", stage.state.display())), "{identity}");
    Scene::Played
}

fn root_is_not_served_as() -> Scene {
    if !is_root() {
        return Scene::NotHere("not root");
    }
    let stage = Stage::new();
    let said = stage.drop_privileges("root");
    assert_eq!(said["error"], "user \"root\" is root, and messengerd does not serve as root; name another, or none");
    assert_eq!(said["exit"], 78);
    assert!(!stage.state.exists(), "nothing was made for root");
    Scene::Played
}

fn capabilities_of_somebody_else() -> Scene {
    if !is_root() {
        return Scene::NotHere("not root, so there is nobody to hand out capabilities");
    }
    let output = child("dropping-capabilities").output().unwrap();
    let said = said(&output.stdout, &output);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_ne!(said["before"][set], "0".repeat(16), "{set}");
    }
    assert_eq!(said["identity"], "uid 61300, gid 61301, as started");
    assert_eq!(said["bounding set is empty"], false, "CAP_SETPCAP was not effective");
    assert_clean(&said["status"], &json!(61300), &json!(61301));
    assert_eq!(said["status"]["Groups"], "4", "the groups that it was started with stay");
    assert_refused(&said["refused"]);
    Scene::Played
}
