//! What stands around a response alone. Text only.
//!
//! The frame is what the template puts before a lone turn of the assistant, with the header of the
//! sample's own turn, which may go on further (`<think>\n`, an empty thought). Where the template
//! refuses a lone turn, it is that header, behind bos where the conversation begins with it.

use super::FrameKind;
use super::shown::Shown;
use super::texts::{Frame, shared_prefix};

/// The frame of a response, where there is one; `lone` is what the template puts around a lone turn,
/// where it allows that.
pub(super) fn frame(
    shown: &Shown,
    lone: Option<&Frame>,
    bos: Option<&str>,
) -> Option<(String, FrameKind)> {
    let header = shown.header.as_deref();
    match (lone, header) {
        (Some(lone), header) => {
            Some((with_header(&lone.prefix, header.unwrap_or_default()), FrameKind::Template))
        }
        (None, Some(header)) => {
            let bos = bos.filter(|bos| shown.text.starts_with(bos)).unwrap_or_default();
            let header = header.strip_prefix(bos).unwrap_or(header);
            Some(([bos, header].concat(), FrameKind::Header))
        }
        (None, None) => None,
    }
}

/// The lone prefix with its own header replaced by the sample's: the place in it is taken at which
/// most of the sample's header can be read.
fn with_header(lone: &str, header: &str) -> String {
    let header = header.trim_start();
    let places = lone.char_indices().map(|(at, _)| (shared_prefix(&lone[at..], header), at));
    match places.max() {
        Some((shared, at)) if !header[..shared].trim().is_empty() => [&lone[..at], header].concat(),
        _ => lone.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_sample_goes_on_where_that_of_a_lone_turn_ends() {
        for (lone, header, frame) in [
            ("<s><|A|>", "<|A|><think>\n", "<s><|A|><think>\n"),
            ("<s><|A|>", "<|A|>", "<s><|A|>"),
            // A lone turn may have more than this one: the sample's own counts.
            ("<s><|A|><think>\n\n</think>\n\n", "<|A|><think>\n", "<s><|A|><think>\n"),
            ("<|S|>x<|E|>\n<|A|>", "\n<|A|>\n", "<|S|>x<|E|>\n<|A|>\n"),
            ("<s> ", " ", "<s> "),
            ("<s>", "", "<s>"),
            ("", "", ""),
        ] {
            assert_eq!(with_header(lone, header), frame, "{lone:?} {header:?}");
        }
    }
}
