//! The run's curves as TensorBoard reads them: an event file made from the run's own records.
//!
//! The file is made anew from `metrics.jsonl` after every epoch, so a resume cannot leave doubled
//! steps in it, and what stood in it before stays its beginning. The format: records of
//! (length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes), each a protobuf
//! `Event` with wall time (field 1), step (2) and summary (5) or file version (3).

use crate::record::RunRecord;
use crate::{Result, metrics, whole_file};
use std::io::Write;
use std::path::Path;

/// The one file in `tensorboard/`.
pub const FILE_NAME: &str = "events.out.tfevents.0.iterit";

/// Writes the curves of a run, those of [`metrics`] under their names.
pub fn write(folder: &Path, run: &RunRecord) -> Result<()> {
    whole_file::write_with(&folder.join(FILE_NAME), |out| {
        out.write_all(&record(&version_event()))?;
        // Steps keep no clock, so time runs by the seconds they took, from 0.
        let mut seconds = 0.0;
        for step in &run.steps {
            seconds += step.tokens as f64 / step.tokens_per_second.max(f64::MIN_POSITIVE);
            let is_now = |done: u64| done == step.step + 1;
            let ended = || run.epochs.iter().filter(|epoch| is_now(epoch.steps));
            let mut curves = metrics::of_step(step);
            curves.extend(ended().flat_map(metrics::of_epoch));
            // Within an epoch; at its end the epoch says it.
            let within =
                run.evaluations.iter().filter(|it| is_now(it.step) && ended().count() == 0);
            curves.extend(within.flat_map(metrics::of_evaluation));
            for (tag, value) in curves {
                out.write_all(&record(&scalar_event(seconds, step.step, tag, value)))?;
            }
        }
        Ok(())
    })
}

fn version_event() -> Vec<u8> {
    let mut event = double_field(1, 0.0);
    event.extend(bytes_field(3, b"brain.Event:2"));
    event
}

fn scalar_event(wall_time: f64, step: u64, tag: &str, value: f64) -> Vec<u8> {
    let mut curve = bytes_field(1, tag.as_bytes());
    curve.extend(float_field(2, value as f32));
    let mut event = double_field(1, wall_time);
    event.extend(varint_field(2, step));
    event.extend(bytes_field(5, &bytes_field(1, &curve)));
    event
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn varint_field(field: u64, value: u64) -> Vec<u8> {
    let mut bytes = varint(field << 3);
    bytes.extend(varint(value));
    bytes
}

fn double_field(field: u64, value: f64) -> Vec<u8> {
    let mut bytes = varint(field << 3 | 1);
    bytes.extend(value.to_le_bytes());
    bytes
}

fn bytes_field(field: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = varint(field << 3 | 2);
    bytes.extend(varint(value.len() as u64));
    bytes.extend(value);
    bytes
}

fn float_field(field: u64, value: f32) -> Vec<u8> {
    let mut bytes = varint(field << 3 | 5);
    bytes.extend(value.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_encoded_as_protobuf() {
        // Event{wall_time: 1.5, step: 300, summary: {value: [{tag: "a", simple_value: 2}]}} by the
        // encoding rules of protobuf, field by field.
        let expected =
            b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01a\x15\0\0\0\x40";
        assert_eq!(scalar_event(1.5, 300, "a", 2.0), expected);
    }

    #[test]
    fn a_record_carries_masked_checksums() {
        // crc32c of eight zero bytes is 0x8c28b28a.
        let empty = record(&[]);
        let mask = 0x8c28_b28a_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(empty[8..12], mask.to_le_bytes());
        assert_eq!(empty[12..16], 0xa282_ead8_u32.to_le_bytes());
    }
}
