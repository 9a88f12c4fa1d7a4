//! What goes wrong, and when: a list drawn from the seed, of which any part can be played again.

use domain::Nanos;
use testkit::generate::Seeded;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A request never reaches the venue.
    LostRequest,
    /// A report never reaches us.
    LostReport,
    /// A report comes seconds later than those after it.
    LateReport,
    /// A report comes twice.
    DuplicateReport,
    /// Two reports change places.
    Reordered,
    /// The venue fills a part of an order and takes the rest off by itself.
    PartialThenCancel,
    /// The venue takes an order and says nothing of it for a while.
    AcceptThenTimeout,
    /// The edge of the venue refuses a request for there were too many (429): it never arrived, and we know.
    EdgeRefuses,
    /// The edge fails (5xx) and the request had arrived all the same.
    EdgeFailsAfter,
    /// The edge fails (5xx) and the request had not arrived.
    EdgeFailsBefore,
    /// The connection breaks, and comes back.
    Disconnect,
    /// Prices stay away while the connection stands.
    StaleFeed,
    /// The clock jumps ahead or back.
    ClockJump,
    /// The disk is full for a while; then the process is started again.
    DiskFull,
    /// The process dies in one of its next writes.
    Crash,
    /// The power goes in one of the next writes.
    PowerCut,
    /// The venue starts again and keeps its orders.
    VenueRestart,
    /// The venue starts again without its orders, and says nothing of that.
    VenueRestartCancels,
    /// Money comes in or goes out.
    OutsideTransfer,
    /// Somebody else trades in the account.
    ForeignTrade,
    /// Somebody raises the gate word.
    Kill,
    /// Somebody raises it and has everything closed.
    KillFlatten,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::LostRequest,
        Self::LostReport,
        Self::LateReport,
        Self::DuplicateReport,
        Self::Reordered,
        Self::PartialThenCancel,
        Self::AcceptThenTimeout,
        Self::EdgeRefuses,
        Self::EdgeFailsAfter,
        Self::EdgeFailsBefore,
        Self::Disconnect,
        Self::StaleFeed,
        Self::ClockJump,
        Self::DiskFull,
        Self::Crash,
        Self::PowerCut,
        Self::VenueRestart,
        Self::VenueRestartCancels,
        Self::OutsideTransfer,
        Self::ForeignTrade,
        Self::Kill,
        Self::KillFlatten,
    ];

    /// Its name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostRequest => "lost request",
            Self::LostReport => "lost report",
            Self::LateReport => "late report",
            Self::DuplicateReport => "duplicated report",
            Self::Reordered => "reordered reports",
            Self::PartialThenCancel => "partial then cancel",
            Self::AcceptThenTimeout => "accept then timeout",
            Self::EdgeRefuses => "refused by the edge (429)",
            Self::EdgeFailsAfter => "5xx, had arrived",
            Self::EdgeFailsBefore => "5xx, had not arrived",
            Self::Disconnect => "disconnect with gap",
            Self::StaleFeed => "stale feed",
            Self::ClockJump => "clock jump",
            Self::DiskFull => "disk full",
            Self::Crash => "crash in a write",
            Self::PowerCut => "power cut in a write",
            Self::VenueRestart => "venue restart, orders kept",
            Self::VenueRestartCancels => "venue restart, orders gone",
            Self::OutsideTransfer => "transfer from outside",
            Self::ForeignTrade => "foreign trade",
            Self::Kill => "kill",
            Self::KillFlatten => "kill and flatten",
        }
    }

    /// How often it is drawn, relative to the others.
    const fn weight(self) -> i64 {
        match self {
            Self::LostRequest | Self::LostReport | Self::LateReport | Self::DuplicateReport => 12,
            Self::Reordered | Self::AcceptThenTimeout | Self::PartialThenCancel => 10,
            Self::EdgeRefuses | Self::EdgeFailsAfter | Self::EdgeFailsBefore => 7,
            Self::Disconnect | Self::Crash => 8,
            Self::StaleFeed | Self::ClockJump | Self::OutsideTransfer | Self::ForeignTrade => 4,
            Self::PowerCut | Self::VenueRestart | Self::VenueRestartCancels => 4,
            Self::DiskFull | Self::Kill | Self::KillFlatten => 2,
        }
    }
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, since the world began.
    pub at: Nanos,
    /// What it is.
    pub kind: Kind,
    /// What it is like: each kind reads its own from it.
    pub draw: u64,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.3} s  {}  ({:016x})", self.at.0 as f64 / 1e9, self.kind.name(), self.draw)
    }
}

/// The faults of a seed, in order of time.
#[must_use]
pub fn plan(seed: u64, from: Nanos, to: Nanos) -> Vec<Fault> {
    let mut random = Seeded::new(seed ^ 0xFA01_7500);
    // Some worlds have few faults, so that each can be seen apart; some have many at once.
    let count = if random.chance(30) { random.within(0, 4) } else { random.within(5, 30) };
    let sum: i64 = Kind::ALL.iter().map(|k| k.weight()).sum();
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let at = Nanos(random.within(from.0 as i64, to.0 as i64).unsigned_abs());
            let mut left = random.within(0, sum - 1);
            let drawn = Kind::ALL.into_iter().find(|kind| {
                left -= kind.weight();
                left < 0
            });
            Fault { at, kind: drawn.unwrap_or(Kind::LostReport), draw: random.bits() }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}
