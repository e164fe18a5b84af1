//! GGUF, the files of llama.cpp and its kin, after its published description (versions 2 and 3): facts
//! with names, among them the list of tokens; then a list of tensors, whose bytes follow.
//!
//! The header is read here, in the mapped file and with every size checked. What blocks of numbers
//! mean, of which there are some thirty kinds, is the knowledge of the crate `rlx-gguf`.
//!
//! This file is over 300 lines because half of it is tests.

use std::path::Path;

use rlx_gguf::{GgmlType, bytes_for_public, dequant_typed};
use serde_json::{Map, Number, Value};

use super::{Encoding, Weight};
use crate::bytes::Cursor;
use crate::error::{Error, Result};
use crate::memory::{Blocks, Mapped, Narrow};

/// What a file begins with.
const MAGIC: &[u8] = b"GGUF";
/// The list of tokens.
const TOKENS: &str = "tokenizer.ggml.tokens";
/// Where tensors begin, unless the file says so: at multiples of this.
const ALIGNMENT: u64 = 32;
/// The numbers of blocks that there are. All divide the largest.
const BLOCKS: [usize; 5] = [1, 32, 64, 128, 256];

/// The kinds of blocks whose numbers were found to be those of the package `gguf`: the old ones of 4, 5
/// and 8 bits, K, IQ and TQ. (The crate reads MXFP4 and NVFP4 in another order, and some kinds have
/// their scales behind the whole tensor.)
const READ: [u32; 21] =
    [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 34, 35];

/// Whether this is the beginning of a GGUF file.
pub(super) fn looks(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// The header of a file.
pub(super) struct Header {
    /// The facts that are neither lists nor missing.
    pub(super) facts: Map<String, Value>,
    /// The tokens, in the order of their rows; `None` if none are listed.
    pub(super) tokens: Option<Vec<Vec<u8>>>,
    pub(super) tensors: Vec<Weight>,
}

/// Reads the header of the file `number` of a model.
pub(super) fn header(path: &Path, file: &Mapped<u8>, number: usize) -> Result<Header> {
    let mut cursor = Cursor::new(path, file);
    cursor.take(MAGIC.len(), "the beginning")?;
    let version = cursor.u32("the version")?;
    if !(2..=3).contains(&version) {
        let problem =
            format!("a GGUF file of version {version}: versions 2 and 3, little-endian, are read");
        return Err(Error::input(path, problem));
    }
    let tensors = cursor.size64("the number of tensors")?;
    // A name has 8 bytes for its length, and a tensor 16 more at least.
    cursor.has_room(tensors, 24, "the number of tensors")?;
    let facts = cursor.size64("the number of facts")?;
    cursor.has_room(facts, 12, "the number of facts")?;
    let (mut all, mut tokens) = (Map::new(), None);
    for _ in 0..facts {
        let name = text(&mut cursor, "the name of a fact")?;
        let name = String::from_utf8_lossy(name).into_owned();
        let kind = cursor.u32("the type of a fact")?;
        if kind != ARRAY {
            all.insert(name, value(&mut cursor, kind)?);
        } else if let Some(strings) = array(&mut cursor, name == TOKENS)? {
            tokens = Some(strings);
        }
    }
    let alignment = all.get("general.alignment").map_or(Some(ALIGNMENT), Value::as_u64);
    let Some(alignment) = alignment.filter(|&n| n.is_power_of_two() && n <= 1 << 20) else {
        return Err(Error::input(path, "general.alignment is no power of two up to 2^20"));
    };
    let described: Vec<Described> =
        (0..tensors).map(|_| described(&mut cursor)).collect::<Result<_>>()?;
    let begin = cursor.at().next_multiple_of(alignment as usize);
    let mut tensors = Vec::with_capacity(described.len());
    for of in described {
        let bad = |why: &str| Error::input(path, format!("the tensor {} {why}", of.name));
        let count = of.shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        // No kind of number takes less than a bit.
        let count = count.filter(|&n| n / 8 <= file.len());
        let count = count.ok_or_else(|| bad("is larger than the file"))?;
        let kind = GgmlType::from_u32(of.kind).ok();
        let length = kind.and_then(|kind| bytes_for_public(kind, count));
        let start = usize::try_from(of.offset).ok().and_then(|offset| begin.checked_add(offset));
        let range = start.and_then(|start| Some(start..start.checked_add(length.unwrap_or(0))?));
        let range = range.filter(|range| range.end <= file.len());
        let range = range.ok_or_else(|| bad("is not in the file: is it cut short?"))?;
        let (encoding, dtype) = match kind {
            Some(GgmlType::F32) => (Encoding::F32, "F32".into()),
            Some(GgmlType::F16) => (Encoding::F16, "F16".into()),
            Some(GgmlType::BF16) => (Encoding::BF16, "BF16".into()),
            Some(kind) if length.is_some() && READ.contains(&of.kind) => {
                (Encoding::Blocks(of.kind), spelled(kind))
            }
            Some(kind) => (Encoding::Unknown, spelled(kind)),
            None => (Encoding::Unknown, of.kind.to_string()),
        };
        let shape = of.shape;
        tensors.push(Weight { name: of.name, dtype, encoding, shape, place: (number, range) });
    }
    tensors.sort_by(|a, b| a.place.1.start.cmp(&b.place.1.start).then(a.name.cmp(&b.name)));
    if let Some(two) = tensors.windows(2).find(|two| two[0].place.1.end > two[1].place.1.start) {
        let problem = format!("the tensors {} and {} overlap", two[0].name, two[1].name);
        return Err(Error::input(path, problem));
    }
    Ok(Header { facts: all, tokens, tensors })
}

/// The numbers of a tensor in blocks, whose rows have `dim` numbers; `None` where such blocks can't
/// be read, or a row is not made of whole ones.
pub(super) fn blocks(kind: u32, bytes: Mapped<u8>, dim: usize) -> Option<Narrow> {
    let of = GgmlType::from_u32(kind).ok()?;
    let in_blocks = |numbers: &&usize| bytes_for_public(of, **numbers).is_some_and(|n| n > 0);
    let numbers = *BLOCKS.iter().find(in_blocks)?;
    let size = bytes_for_public(of, numbers)?;
    let readable = dequant_typed(of, &vec![0; size], numbers, "").is_ok();
    let whole = dim.is_multiple_of(numbers) && bytes.len().is_multiple_of(size);
    (readable && whole).then_some(Narrow::Blocks(Blocks { bytes, numbers, size, kind, widen }))
}

/// Widens whole blocks of a kind.
fn widen(kind: u32, bytes: &[u8], to: &mut [f32]) {
    let of = GgmlType::from_u32(kind);
    match of.and_then(|of| dequant_typed(of, bytes, to.len(), "")) {
        Ok(numbers) => to.copy_from_slice(&numbers),
        // `blocks` has tried it.
        Err(_) => to.fill(f32::NAN),
    }
}

/// A type's name as llama.cpp writes it.
fn spelled(kind: GgmlType) -> String {
    let name = format!("{kind:?}");
    // The crate has Q4K where others write Q4_K.
    match name.strip_suffix('K') {
        Some(front) if !front.ends_with('_') => format!("{front}_K"),
        _ => name,
    }
}

/// A tensor as the header describes it.
struct Described {
    name: String,
    /// The longest steps first, as everywhere else; the file has it the other way round.
    shape: Vec<usize>,
    kind: u32,
    offset: u64,
}

fn described(cursor: &mut Cursor) -> Result<Described> {
    let name = String::from_utf8_lossy(text(cursor, "the name of a tensor")?).into_owned();
    let sides = cursor.u32("the number of sides")? as usize;
    if sides > 8 {
        return Err(cursor.bad(format!("the tensor {name} has {sides} sides")));
    }
    let side = |_| cursor.size64("a side of a tensor");
    let mut shape: Vec<usize> = (0..sides).map(side).collect::<Result<_>>()?;
    shape.reverse();
    let kind = cursor.u32("the type of a tensor")?;
    let offset = cursor.size64("the place of a tensor")? as u64;
    Ok(Described { name, shape, kind, offset })
}

/// The types of facts that are no numbers.
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// The bytes of a number of a type.
fn width(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// The next string.
fn text<'a>(cursor: &mut Cursor<'a>, field: &str) -> Result<&'a [u8]> {
    let length = cursor.size64(field)?;
    cursor.take(length, field)
}

/// The next value that is no list.
fn value(cursor: &mut Cursor, kind: u32) -> Result<Value> {
    if kind == STRING {
        return Ok(String::from_utf8_lossy(text(cursor, "a text")?).into());
    }
    let width = width(kind).ok_or_else(|| cursor.bad(format!("a fact of the type {kind}")))?;
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(cursor.take(width, "a number")?);
    // The upper bytes of a negative number are set.
    let whole = u64::from_le_bytes(bytes);
    let signed = (whole << (64 - 8 * width)) as i64 >> (64 - 8 * width);
    let float = |x: f64| Number::from_f64(x).map_or(Value::Null, Value::Number);
    Ok(match kind {
        BOOL => Value::Bool(whole != 0),
        1 | 3 | 5 | 11 => signed.into(),
        6 => float(f64::from(f32::from_bits(whole as u32))),
        12 => float(f64::from_bits(whole)),
        _ => whole.into(),
    })
}

/// The next list: its strings where they are wanted and it has some; otherwise it is skipped.
fn array(cursor: &mut Cursor, wanted: bool) -> Result<Option<Vec<Vec<u8>>>> {
    let kind = cursor.u32("the type of a list")?;
    let length = cursor.size64("the length of a list")?;
    if kind != STRING {
        let width = width(kind).ok_or_else(|| cursor.bad(format!("a list of the type {kind}")))?;
        cursor.has_room(length, width, "the length of a list")?;
        cursor.take(length * width, "a list")?;
        return Ok(None);
    }
    cursor.has_room(length, 8, "the length of a list")?;
    let mut strings = wanted.then(|| Vec::with_capacity(length));
    for _ in 0..length {
        let string = text(cursor, "a text in a list")?;
        if let Some(all) = &mut strings {
            all.push(string.to_vec());
        }
    }
    Ok(strings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::widen as half;
    use crate::tables::{Roles, Weights};

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn fact(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        [&string(name)[..], &kind.to_le_bytes(), value].concat()
    }

    fn strings(all: &[&str]) -> Vec<u8> {
        let mut list = [&STRING.to_le_bytes()[..], &(all.len() as u64).to_le_bytes()].concat();
        for text in all {
            list.extend(string(text));
        }
        list
    }

    /// A tensor to be written: its name, sides in the order of the file, type, place and bytes.
    type Written<'a> = (&'a str, &'a [u64], u32, u64, Vec<u8>);

    fn file(facts: &[Vec<u8>], tensors: &[Written]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend((tensors.len() as u64).to_le_bytes());
        file.extend((facts.len() as u64).to_le_bytes());
        file.extend(facts.concat());
        for (name, sides, kind, place, _) in tensors {
            file.extend(string(name));
            file.extend((sides.len() as u32).to_le_bytes());
            sides.iter().for_each(|side| file.extend(side.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend(place.to_le_bytes());
        }
        let begin = file.len().next_multiple_of(ALIGNMENT as usize);
        for (.., place, bytes) in tensors {
            file.resize(file.len().max(begin + *place as usize + bytes.len()), 0);
            file[begin + *place as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        file
    }

    fn open(file: &[u8]) -> Result<Weights> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        std::fs::write(&path, file).unwrap();
        Weights::open(&path)
    }

    /// Bytes without a pattern, and two scales of half precision at `scales`.
    fn noise(length: usize, seed: u32, scales: [usize; 2]) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
        for at in scales {
            bytes[at..at + 2].copy_from_slice(&[next(), 0x1c | (next() & 3)]);
        }
        bytes
    }

    fn f16(bytes: &[u8], at: usize) -> f32 {
        half(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    }

    /// A block of 32 numbers with one scale.
    fn q8_0(block: &[u8]) -> Vec<f32> {
        block[2..].iter().map(|&x| f16(block, 0) * f32::from(x as i8)).collect()
    }

    /// 256 numbers of 4 bits; each 32 have a scale and an offset of 6 bits.
    fn q4_k(block: &[u8]) -> Vec<f32> {
        let (scales, numbers) = (&block[4..16], &block[16..]);
        let number = |i: usize| {
            let group = i / 32;
            let (scale, offset) = if group < 4 {
                (scales[group] & 63, scales[group + 4] & 63)
            } else {
                let both = scales[group + 4];
                (both & 15 | scales[group - 4] >> 6 << 4, both >> 4 | scales[group] >> 6 << 4)
            };
            let byte = numbers[group / 2 * 32 + i % 32];
            let x = if group.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
            f16(block, 0) * f32::from(scale) * f32::from(x) - f16(block, 2) * f32::from(offset)
        };
        (0..256).map(number).collect()
    }

    /// 256 numbers of 6 bits, 4 and 2 apart; each 16 have a scale of 8 bits.
    fn q6_k(block: &[u8]) -> Vec<f32> {
        let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
        let number = |i: usize| {
            let (part, quarter, at) = (i / 128, i % 128 / 32, i % 32);
            let byte = low[part * 64 + quarter % 2 * 32 + at];
            let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
            let two = high[part * 32 + at] >> (2 * quarter) & 3;
            let x = f32::from(four | two << 4) - 32.0;
            f16(block, 208) * f32::from(scales[i / 16] as i8) * x
        };
        (0..256).map(number).collect()
    }

    #[test]
    fn blocks_are_widened_by_their_definitions() {
        for (kind, size, numbers, scales, widen) in [
            (8, 34, 32, [0, 0], q8_0 as fn(&[u8]) -> Vec<f32>),
            (12, 144, 256, [0, 2], q4_k),
            (14, 210, 256, [208, 208], q6_k),
        ] {
            let rows: Vec<u8> = (0..6).flat_map(|seed| noise(size, seed, scales)).collect();
            let dim = 2 * numbers;
            let tensor = ("token_embd.weight", &[dim as u64, 3][..], kind, 64, rows.clone());
            let table = open(&file(&[], &[tensor])).unwrap().table("token").unwrap();
            let expected: Vec<f32> = rows.chunks(size).flat_map(widen).collect();
            assert_eq!(*table.vector(1), expected[dim..2 * dim], "a row by itself, {kind}");
            assert_eq!(table.input(), expected, "all rows, {kind}");
            assert_eq!(*table.vector(2), expected[2 * dim..], "a row of all, {kind}");
        }
    }

    #[test]
    fn names_and_facts_are_those_of_the_file() {
        let row = |x: f32| [x.to_le_bytes(), x.to_le_bytes()].concat();
        let rows = [row(1.0), row(2.0), row(3.0)].concat();
        let names = |model: &str, tokens: [&str; 3]| {
            let facts = [
                fact("general.architecture", STRING, &string("some")),
                fact("some.rope.freq_base", 6, &1e4f32.to_le_bytes()),
                fact("some.vocab_size", 4, &3u32.to_le_bytes()),
                fact("of.no.matter", ARRAY, &[&5u32.to_le_bytes()[..], &[0; 8]].concat()),
                fact("tokenizer.ggml.model", STRING, &string(model)),
                fact(TOKENS, ARRAY, &strings(&tokens)),
            ];
            let tensor = ("token_embd.weight", &[2, 3][..], 0, 0, rows.clone());
            let weights = open(&file(&facts, &[tensor])).unwrap();
            assert!(Roles::of(&weights).rotary);
            let table = weights.table("token").unwrap();
            assert!(table.provenance.notes.is_empty());
            assert_eq!(table.input(), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
            let names: Vec<String> = (0..3).map(|id| table.vocab.text(id)).collect();
            (names, table.pieces().is_some())
        };
        assert_eq!(
            names("bert", ["[CLS]", "\u{2581}king", "s"]),
            (vec!["[CLS]".into(), "king".into(), "##s".into()], true)
        );
        let bytes = names("gpt2", ["Ġking", "Ċ", "s"]);
        assert_eq!(bytes, (vec![" king".into(), "\n".into(), "s".into()], false));
        assert_eq!(names("llama", ["<s>", "\u{2581}king", "s"]).0, ["<s>", " king", "s"]);
    }

    #[test]
    fn what_lies_is_refused_in_a_line() {
        let row = vec![0; 8];
        let good = |place, kind| ("token_embd.weight", &[2, 1][..], kind, place, row.clone());
        let error = |file: &[u8]| {
            let table = open(file).and_then(|weights| weights.table("token").map(drop));
            table.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(error(&file(&[], &[good(0, 0)])), "");
        let two = [good(0, 0), ("other", &[2, 1][..], 0, 4, row.clone())];
        assert!(
            error(&file(&[], &two)).contains("the tensors token_embd.weight and other overlap")
        );
        for alignment in [0u32, 3, 1 << 30] {
            let fact = fact("general.alignment", 4, &alignment.to_le_bytes());
            assert!(error(&file(&[fact], &[good(0, 0)])).contains("no power of two"));
        }
        let far = ("token_embd.weight", &[1 << 40, 1 << 40][..], 0, 0, Vec::new());
        assert!(error(&file(&[], &[far])).contains("is larger than the file"));
        for kind in [36, 37, 39, 40] {
            let tensor = ("token_embd.weight", &[128, 3][..], kind, 0, vec![0; 4096]);
            assert!(error(&file(&[], &[tensor])).contains("which are not read"), "{kind}");
        }
        assert!(error(&file(&[], &[good(0, 99)])).contains("of the type 99, which are not"));
        assert!(error(&file(&[], &[good(0, 12)])).contains("of the type Q4_K, which are not"));
        let mut old = file(&[], &[good(0, 0)]);
        old[4] = 1;
        assert!(error(&old).contains("a GGUF file of version 1"));
        // Whatever byte of the header is damaged, and wherever the file ends, it is an error or
        // harmless.
        let facts = [
            fact("tokenizer.ggml.model", STRING, &string("gpt2")),
            fact(TOKENS, ARRAY, &strings(&["a", "b"])),
        ];
        let whole = file(&facts, &[("token_embd.weight", &[2, 2], 0, 0, vec![0; 16])]);
        assert_eq!(error(&whole), "");
        for at in 0..whole.len() {
            for wrong in [0, 1, 9, 0x7f, 0xff] {
                let mut bad = whole.clone();
                bad[at] = wrong;
                error(&bad);
            }
            assert_ne!(error(&whole[..at]), "", "{at}");
        }
    }
}
