//! Why a query store does not do what it is asked.

/// By what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Not reachable, not permitted, full, locked, or gone: nothing is lost, it can be tried again.
    #[error("query database {place}: {what}")]
    Unavailable {
        /// Which, without a password.
        place: String,
        /// What the system or the server said.
        what: String,
    },
    /// Another version of the schema than this build reads.
    #[error("query database {place}: schema version {found}, this build has version {expected}{}", advice(*.found, *.expected))]
    OtherSchema {
        /// Which.
        place: String,
        /// The version that is there.
        found: i64,
        /// The version that this build has.
        expected: i64,
    },
    /// A database of somebody else: nothing is written into it.
    #[error("query database {place}: {what}: expected a database that bot4 made, or a new one")]
    Foreign {
        /// Which.
        place: String,
        /// What was found there.
        what: String,
    },
    /// The file is damaged. It is a projection: it can be made again from the journals.
    #[error(
        "query database {place} is damaged: {what}; `bot4 query sync --rebuild RUN...` puts it aside and makes it again from the journals"
    )]
    Damaged {
        /// Which.
        place: String,
        /// What was found.
        what: String,
    },
    /// The statement cannot be carried out.
    #[error("{what}")]
    Statement {
        /// What the database said.
        what: String,
    },
    /// There is no database yet.
    #[error("query database {place}: not there: expected one that a paper run or `bot4 query sync RUN...` has written")]
    Missing {
        /// Which.
        place: String,
    },
    /// A URL that cannot be used.
    #[error("{place}: {what}: expected off, sqlite, sqlite:FILE or postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE")]
    Place {
        /// As it was said, without a password.
        place: String,
        /// What is wrong with it.
        what: String,
    },
}

fn advice(found: i64, expected: i64) -> &'static str {
    if found > expected {
        ": a later build wrote it; use that one, or another database"
    } else {
        ": an earlier build wrote it; `bot4 query sync RUN...` brings it to this version"
    }
}
