//! safetensors files to and from libtorch tensors, one tensor in memory at a time. Knows files and
//! tensors, not models.
//!
//! Format: <https://github.com/huggingface/safetensors#format>.

use crate::shim;
use iterit_core::{Error, Result, whole_file};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Bytes that say how long the header is.
const PREAMBLE: u64 = 8;

/// The longest header the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// How much of a tensor is copied or compared at a time.
const CHUNK: usize = 1 << 20;

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
        // The header may say anything.
        let expected = data_start.saturating_add(metadata.data_len() as u64);
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

    /// How many bytes a tensor takes; none where it is not there.
    pub(crate) fn num_bytes(&self, name: &str) -> u64 {
        self.info(name).map_or(0, |info| (info.data_offsets.1 - info.data_offsets.0) as u64)
    }

    /// Whether a tensor is stored in a type that weights come in.
    pub(crate) fn is_readable(&self, name: &str) -> bool {
        let kind = self.info(name).and_then(|info| kind_of(info.dtype));
        kind.is_some_and(|kind| kind != Kind::Uint8)
    }

    /// Whether two stored tensors are the same: type, shape and every byte.
    pub(crate) fn same(&self, name: &str, other: &Self, other_name: &str) -> Result<bool> {
        let [Some(one), Some(two)] = [self.info(name), other.info(other_name)] else {
            return Ok(false);
        };
        if (one.dtype, &one.shape) != (two.dtype, &two.shape) {
            return Ok(false);
        }
        let start = other.data_start + two.data_offsets.0 as u64;
        let mut there = vec![0; CHUNK];
        let (mut done, mut same) = (0, true);
        let compare = |here: &[u8]| {
            if same {
                let there = &mut there[..here.len()];
                other.file.read_exact_at(there, start + done)?;
                same = here == there;
                done += here.len() as u64;
            }
            Ok(())
        };
        self.chunks(name, compare).map_err(Error::io("read", &self.path))?;
        Ok(same)
    }

    /// A tensor's bytes, in pieces.
    fn chunks(&self, name: &str, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(info) = self.info(name) else { return Ok(()) };
        let (start, end) = info.data_offsets;
        let mut chunk = vec![0; CHUNK.min(end - start)];
        for at in (start..end).step_by(CHUNK) {
            let chunk = &mut chunk[..CHUNK.min(end - at)];
            self.file.read_exact_at(chunk, self.data_start + at as u64)?;
            take(chunk)?;
        }
        Ok(())
    }

    /// One tensor as it is stored, in memory of its own.
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
        let fault = |error| Error::Model(format!("tensor `{name}`: {error}"));
        let mut tensor = Tensor::f_empty(shape_of(info), (kind, Device::Cpu)).map_err(fault)?;
        let start = self.data_start + info.data_offsets.0 as u64;
        let bytes = shim::bytes_mut(&mut tensor);
        self.file.read_exact_at(bytes, start).map_err(Error::io("read", &self.path))?;
        Ok(tensor)
    }

    /// The file as memory that is read when it is looked at, and copied where it is written to; the file
    /// stays as it is. Nothing where the system does not do that. // [bytes], u8
    pub(crate) fn map(&self) -> Option<Tensor> {
        let length = self.data_start as i64 + self.metadata.data_len() as i64;
        Tensor::f_from_file(self.path.to_str()?, false, length, (Kind::Uint8, Device::Cpu)).ok()
    }

    /// One tensor in a [`map`](Self::map), if it is there in this type and lies as that needs it.
    pub(crate) fn mapped(&self, map: &Tensor, name: &str, kind: Kind) -> Option<Tensor> {
        let info = self.info(name).filter(|info| kind_of(info.dtype) == Some(kind))?;
        let start = self.data_start as usize + info.data_offsets.0;
        let length = self.num_bytes(name) as i64;
        let is_even = start.is_multiple_of(kind.elt_size_in_bytes());
        let view =
            || map.narrow(0, start as i64, length).view_dtype(kind).view(&shape_of(info)[..]);
        (is_even && length > 0).then(|| view().detach())
    }
}

fn shape_of(info: &TensorInfo) -> Vec<i64> {
    info.shape.iter().map(|&size| size as i64).collect()
}

/// What is written under a name.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    /// A tensor in memory.
    Tensor(&'a Tensor),
    /// The tensor that a file has under this name, byte for byte, whatever its type.
    Stored(&'a TensorFile),
}

/// Writes named tensors in the order given, whole or not at all. The `__metadata__` says
/// `format = pt`, which transformers asks for.
pub(crate) fn write(path: &Path, tensors: &[(&str, Content<'_>)]) -> Result<()> {
    let header = header(tensors);
    whole_file::write_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (name, content) in tensors {
            match content {
                Content::Tensor(tensor) => out.write_all(&bytes(tensor)?)?,
                Content::Stored(file) => file.chunks(name, |chunk| out.write_all(chunk))?,
            }
        }
        Ok(())
    })
}

fn header(tensors: &[(&str, Content<'_>)]) -> Vec<u8> {
    let mut offset = 0;
    let infos = tensors.iter().map(|(name, content)| {
        let (dtype, shape, size) = match content {
            Content::Tensor(tensor) => (
                dtype_of(tensor.kind()),
                tensor.size().iter().map(|&size| size as usize).collect(),
                tensor.numel() * tensor.kind().elt_size_in_bytes(),
            ),
            Content::Stored(file) => {
                let info = file.info(name).expect("a tensor that is carried is there");
                (info.dtype, info.shape.clone(), file.num_bytes(name) as usize)
            }
        };
        let data_offsets = (offset, offset + size);
        offset += size;
        ((*name).to_owned(), TensorInfo { dtype, shape, data_offsets })
    });
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(format), infos.collect()).expect("offsets follow each other");
    let mut header = serde_json::to_vec(&metadata).expect("a header serializes to JSON");
    // Tensors start at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(PREAMBLE as usize), b' ');
    header
}

fn bytes(tensor: &Tensor) -> io::Result<Vec<u8>> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The types that weights come in, and that of codes in a checkpoint.
fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        Dtype::F64 => Some(Kind::Double),
        Dtype::U8 => Some(Kind::Uint8),
        _ => None,
    }
}

fn dtype_of(kind: Kind) -> Dtype {
    match kind {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Half => Dtype::F16,
        Kind::Double => Dtype::F64,
        Kind::Uint8 => Dtype::U8,
        other => unreachable!("weights and moments are never {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tensors() -> (tempfile::TempDir, PathBuf, Tensor, Tensor) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.safetensors");
        let a = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        let b = Tensor::from_slice(&[1.5f32, -2.0]).to_kind(Kind::BFloat16);
        // A transposed view: the file must hold what it looks like, not what lies in memory.
        write(&path, &[("a", Content::Tensor(&a.tr())), ("b", Content::Tensor(&b))]).unwrap();
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
    fn what_is_mapped_is_what_is_read_and_the_file_stays() {
        let (_folder, path, a, b) = two_tensors();
        let before = std::fs::read(&path).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let map = file.map().unwrap();
        let mapped = file.mapped(&map, "a", Kind::Float).unwrap();
        assert_eq!((&mapped, file.mapped(&map, "b", Kind::BFloat16)), (&a.tr(), Some(b)));
        assert_eq!(file.mapped(&map, "a", Kind::BFloat16), None, "another type is converted");
        assert_eq!(file.mapped(&map, "c", Kind::Float), None);
        drop(map);
        let _ = mapped.shallow_clone().g_add_scalar_(1.0);
        assert_eq!(mapped, a.tr() + 1.0);
        assert_eq!((std::fs::read(&path).unwrap(), file.read("a").unwrap()), (before, a.tr()));
    }

    #[test]
    fn stored_tensors_are_carried_byte_for_byte() {
        let (folder, path, a, _) = two_tensors();
        let file = TensorFile::open(&path).unwrap();
        let copy = folder.path().join("copy.safetensors");
        let tensors = [("b", Content::Stored(&file)), ("c", Content::Tensor(&a))];
        write(&copy, &tensors).unwrap();
        let copy = TensorFile::open(&copy).unwrap();
        assert_eq!(copy.names(), ["b", "c"]);
        assert!(file.same("b", &copy, "b").unwrap());
        assert!(!file.same("a", &copy, "c").unwrap(), "shapes differ");
        assert!(!file.same("a", &copy, "b").unwrap() && !file.same("a", &copy, "z").unwrap());
        // Of a type that no weight has.
        let header = br#"{"i":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}} "#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.iter().chain(&[7; 16]));
        std::fs::write(&path, &bytes).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let copy = folder.path().join("integers.safetensors");
        write(&copy, &[("i", Content::Stored(&file))]).unwrap();
        assert!(!file.is_readable("i") && file.num_bytes("i") == 16);
        assert!(TensorFile::open(&copy).unwrap().same("i", &file, "i").unwrap());
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
        let of_bytes = |count: usize| {
            let tensor = format!(r#""dtype":"U8","shape":[{count}],"data_offsets":[0,{count}]"#);
            let header = format!("{{\"a\":{{{tensor}}}}}");
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
        };
        let (endless, beyond) = (of_bytes(usize::MAX >> 4), of_bytes(usize::MAX));
        for (contents, fault) in [
            (&whole[..0], "it has 0 bytes"),
            (&whole[..20], "its header should have"),
            (&whole[..header_end + 4], "truncated: the file has"),
            (&longer[..], "too long: the file has"),
            (&not_json[..], "its header is wrong"),
            (b"[{\"instruction\": \"hello\"}]", "its header should have"),
            (&endless, "truncated: the file has"),
            (&beyond, "its header is wrong"),
        ] {
            let broken = folder.path().join("broken.safetensors");
            std::fs::write(&broken, contents).unwrap();
            let message = TensorFile::open(&broken).err().unwrap().to_string();
            assert!(message.contains(fault) && message.contains("broken.safetensors"), "{message}");
        }
    }
}
