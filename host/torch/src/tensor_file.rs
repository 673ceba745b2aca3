//! safetensors files to and from libtorch tensors, one tensor in memory at a time. Knows files and
//! tensors, not models.
//!
//! Format: <https://github.com/huggingface/safetensors#format>.

use iterit_core::{Error, Result, whole_file};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// Bytes that say how long the header is.
const PREAMBLE: u64 = 8;

/// The longest header the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// A file whose header has been read and found to agree with the file's length.
pub(crate) struct TensorFile {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    data_start: u64,
}

impl TensorFile {
    /// Reads the header.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let not_one = |why: &str| Error::file(path, format!("not a safetensors file: {why}"));
        if length < PREAMBLE {
            return Err(not_one(&format!("it has {length} bytes")));
        }
        let mut preamble = [0; PREAMBLE as usize];
        file.read_exact_at(&mut preamble, 0).map_err(Error::io("read", path))?;
        let header_length = u64::from_le_bytes(preamble);
        if header_length > LONGEST_HEADER.min(length - PREAMBLE) {
            return Err(not_one(&format!(
                "its header should have {header_length} bytes, {} follow",
                length - PREAMBLE
            )));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact_at(&mut header, PREAMBLE).map_err(Error::io("read", path))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| not_one(&format!("its header is wrong: {error}")))?;
        let data_start = PREAMBLE + header_length;
        let expected = data_start + metadata.data_len() as u64;
        if length != expected {
            let fault = if length < expected { "truncated" } else { "too long" };
            return Err(Error::file(
                path,
                format!("{fault}: the file has {length} bytes, its header asks for {expected}"),
            ));
        }
        Ok(Self { path: path.to_owned(), file, metadata, data_start })
    }

    /// Which file it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort();
        names
    }

    /// Type and shape of a tensor.
    pub(crate) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// One tensor as it is stored.
    pub(crate) fn read(&self, name: &str) -> Result<Tensor> {
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| Error::file(&self.path, format!("tensor `{name}` is missing")))?;
        let kind = kind_of(info.dtype).ok_or_else(|| {
            let found = info.dtype;
            Error::file(
                &self.path,
                format!("tensor `{name}` is stored as {found}; expected F32, BF16, F16 or F64"),
            )
        })?;
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file
            .read_exact_at(&mut bytes, self.data_start + start as u64)
            .map_err(Error::io("read", &self.path))?;
        let shape: Vec<i64> = info.shape.iter().map(|&size| size as i64).collect();
        Tensor::f_from_data_size(&bytes, &shape, kind)
            .map_err(|error| Error::Model(format!("tensor `{name}`: {error}")))
    }
}

/// Writes named tensors in the order given, whole or not at all. The `__metadata__` says
/// `format = pt`, which transformers asks for.
pub(crate) fn write(path: &Path, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let header = header(tensors);
    whole_file::write_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (_, tensor) in tensors {
            out.write_all(&bytes(tensor)?)?;
        }
        Ok(())
    })
}

/// How many bytes a tensor takes in a file.
fn num_bytes(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

fn header(tensors: &[(&str, &Tensor)]) -> Vec<u8> {
    let mut offset = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let end = offset + num_bytes(tensor) as usize;
        let info = TensorInfo {
            dtype: dtype_of(tensor.kind()),
            shape: tensor.size().iter().map(|&size| size as usize).collect(),
            data_offsets: (offset, end),
        };
        offset = end;
        ((*name).to_owned(), info)
    });
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(format), infos.collect()).expect("offsets follow each other");
    let mut header = serde_json::to_vec(&metadata).expect("a header serializes to JSON");
    // Tensors start at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(PREAMBLE as usize), b' ');
    header
}

fn bytes(tensor: &Tensor) -> io::Result<Vec<u8>> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
    let mut bytes = vec![0; num_bytes(&tensor) as usize];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The types that weights come in.
fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}

fn dtype_of(kind: Kind) -> Dtype {
    match kind {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Half => Dtype::F16,
        Kind::Double => Dtype::F64,
        other => unreachable!("weights and moments are never {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn two_tensors() -> (tempfile::TempDir, PathBuf, Tensor, Tensor) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.safetensors");
        let a = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        let b = Tensor::from_slice(&[1.5f32, -2.0]).to_kind(Kind::BFloat16);
        // A transposed view: the file must hold what it looks like, not what lies in memory.
        write(&path, &[("a", &a.tr()), ("b", &b)]).unwrap();
        (folder, path, a, b)
    }

    #[test]
    fn what_is_written_is_read() {
        let (_folder, path, a, b) = two_tensors();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.names(), ["a", "b"]);
        assert_eq!(file.read("a").unwrap(), a.tr());
        assert_eq!(file.read("b").unwrap(), b);
        assert_eq!(file.read("b").unwrap().kind(), Kind::BFloat16);
        let message = file.read("c").err().unwrap().to_string();
        assert!(message.ends_with("tensor `c` is missing"), "{message}");
        // The reference reader agrees.
        let whole = std::fs::read(&path).unwrap();
        let reference = safetensors::SafeTensors::deserialize(&whole).unwrap();
        assert_eq!(reference.tensor("a").unwrap().shape(), [3, 2]);
    }

    #[test]
    fn broken_files_say_how() {
        let (folder, path, ..) = two_tensors();
        let whole = std::fs::read(&path).unwrap();
        let header_end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let mut not_json = whole.clone();
        not_json[9] = b'?';
        let mut longer = whole.clone();
        longer.push(0);
        for (contents, fault) in [
            (&whole[..0], "it has 0 bytes"),
            (&whole[..20], "its header should have"),
            (&whole[..header_end + 4], "truncated: the file has"),
            (&longer[..], "too long: the file has"),
            (&not_json[..], "its header is wrong"),
            (b"[{\"instruction\": \"hello\"}]", "its header should have"),
        ] {
            let broken = folder.path().join("broken.safetensors");
            std::fs::write(&broken, contents).unwrap();
            let message = TensorFile::open(&broken).err().unwrap().to_string();
            assert!(message.contains(fault) && message.contains("broken.safetensors"), "{message}");
        }
    }
}
