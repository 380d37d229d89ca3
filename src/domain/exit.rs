//! Exit codes, by sysexits(3head) of BSD: what a shell or a unit file (`RestartPreventExitStatus=78`) can act on.

/// Why a program of ours ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The service is not running: not of sysexits, but what `systemctl status` says then.
    NotRunning = 3,
    /// The command line was wrong (`EX_USAGE`).
    Usage = 64,
    /// The data given was wrong (`EX_DATAERR`): a damaged or newer database.
    Data = 65,
    /// An input file is missing or unreadable (`EX_NOINPUT`).
    NoInput = 66,
    /// No such user (`EX_NOUSER`).
    NoUser = 67,
    /// The server can't be reached, or a port is taken (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A fault of ours (`EX_SOFTWARE`).
    Software = 70,
    /// The operating system refused (`EX_OSERR`).
    Os = 71,
    /// A file can't be created (`EX_CANTCREAT`).
    CantCreate = 73,
    /// Reading or writing failed (`EX_IOERR`).
    Io = 74,
    /// Try again later (`EX_TEMPFAIL`): the database is locked, the server is too busy.
    TryLater = 75,
    /// The other side did not keep to the protocol (`EX_PROTOCOL`).
    Protocol = 76,
    /// Not allowed (`EX_NOPERM`): permissions, a wrong password.
    NoPermission = 77,
    /// The configuration is wrong (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
