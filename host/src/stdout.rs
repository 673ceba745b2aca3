//! Data goes to stdout, a line at a time. Its disk may be full, or whoever reads it gone: then there is nobody to go on
//! for.

use iterit_core::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// What a shell says of a program that wrote to a reader who was gone.
const READER_GONE: u8 = 141;

/// Writes a line, or ends the program.
pub(crate) fn line(text: impl Display) {
    write(format_args!("{text}\n"));
}

/// Writes what has its own line ends, or ends the program.
pub(crate) fn write(text: impl Display) {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => {}
        // It has seen enough, as `head` has.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => iterit_torch::leave(READER_GONE),
        Err(error) => {
            anstream::eprintln!("error: {}", Error::io("write", "standard output")(error));
            iterit_torch::leave(1)
        }
    }
}
