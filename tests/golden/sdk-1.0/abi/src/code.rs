//! Choices that cross as a `u32`. A side that meets a code it does not know refuses the call
//! instead of guessing.

/// What kind of failure an [`AbiError`](crate::AbiError) is. An unknown one is read as `PLUGIN`.
pub mod error {
    /// Anything a plugin reports of itself.
    pub const PLUGIN: u32 = 0;
    /// Code panicked; the object it happened in is not used again.
    pub const PANIC: u32 = 1;
    /// The user stopped the run.
    pub const CANCELLED: u32 = 2;
    /// The options are wrong.
    pub const OPTIONS: u32 = 3;
    /// A service of the host failed.
    pub const HOST: u32 = 4;
    /// The other side does not offer what was asked for.
    pub const UNSUPPORTED: u32 = 5;
    /// A result has the wrong shape, or holds a number that is not one.
    pub const BAD_OUTPUT: u32 = 6;
}

/// Which model answers.
pub mod model {
    /// The one being trained.
    pub const CURRENT: u32 = 0;
    /// The fixed second one.
    pub const PROXY: u32 = 1;
}

/// What a response is conditioned on.
pub mod conditioning {
    /// The whole conversation.
    pub const PROMPT: u32 = 0;
    /// Nothing but the template around the assistant's turn.
    pub const NOTHING: u32 = 1;
}

/// How hidden states become one vector.
pub mod pooling {
    /// The mean over all tokens.
    pub const MEAN: u32 = 0;
    /// The last token's.
    pub const LAST: u32 = 1;
}

/// How loud a message is.
pub mod log_level {
    /// Shown only when asked for.
    pub const DEBUG: u32 = 0;
    /// Shown.
    pub const INFO: u32 = 1;
    /// Shown, and repeated in the run's summary.
    pub const WARN: u32 = 2;
}

/// What an epoch trains on.
pub mod action {
    /// The same samples as in the epoch before.
    pub const KEEP: u32 = 0;
    /// Every sample.
    pub const TRAIN_ALL: u32 = 1;
    /// The greedy choice.
    pub const PICK: u32 = 2;
}
