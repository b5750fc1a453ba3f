//! Expected payloads are recorded from redis-server 7.0.15.

use super::*;
use crate::base::rng::Rng;
use crate::types::collection::Stamp;
use crate::types::collection::stream::{
    ConsumerState, FieldsBuf, GroupState, Meta, Pending, StreamId,
};
use std::borrow::Cow;

const BYTES_MAX: u64 = 512 << 20;

const LIMITS: Limits = Limits {
    entries_max: 128,
    element_bytes_max: 64,
    bytes_max: 8192,
    integers_max: 512,
    hash: |text| crc64::crc64(0, text),
};

/// Redis's defaults.
const STREAM_LIMITS: Limits = Limits { entries_max: 100, bytes_max: 4096, ..LIMITS };

const BOUNDS: Bounds = Bounds {
    bytes_max: BYTES_MAX,
    hash: LIMITS,
    list: Limits { element_bytes_max: usize::MAX, entries_max: usize::MAX, ..LIMITS },
    set: LIMITS,
    zset: LIMITS,
};

fn dump(bytes: &[u8]) -> Vec<u8> {
    super::dump(Shown::String(StringValue::Bytes(Cow::Borrowed(bytes))))
}

fn restored(payload: &[u8]) -> Result<Vec<u8>, Invalid> {
    verify(payload)?;
    let Value::String(value) = load(payload, &BOUNDS)? else { return Err(Invalid::Format) };
    Ok(match value {
        StringValue::Integer(value) => value.to_string().into_bytes(),
        StringValue::Bytes(bytes) => bytes.into_owned(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn payloads_are_those_of_redis_to_the_byte() {
    let check = |text: &str, expected: &str| {
        assert_eq!(hex(&dump(text.as_bytes())), expected, "{text:?}");
        assert_eq!(restored(&dump(text.as_bytes())).as_deref(), Ok(text.as_bytes()));
        if let Ok(value) = text.parse::<i64>()
            && value.to_string() == text
        {
            assert_eq!(
                hex(&super::dump(Shown::String(StringValue::Integer(value)))),
                expected,
                "{text}"
            );
        }
    };
    check("", "00000a005d9b5c400f7fa2da");
    check("a", "0001610a00bffeef9b8f367db4");
    check("0", "00c0000a009840a778f8500308");
    check("-1", "00c0ff0a000c937e2485089dc5");
    check("127", "00c07f0a000db5eb315254c514");
    check("128", "00c180000a00eb7ab3b510cf4b65");
    check("-128", "00c0800a009966326d2f0c5bd9");
    check("-129", "00c17fff0a001760822854808480");
    check("32767", "00c1ff7f0a00495a37da17f4d52b");
    check("32768", "00c2008000000a0045d82eedd5bda910");
    check("-32769", "00c2ff7fffff0a00aee34c4d06c68536");
    check("2147483647", "00c2ffffff7f0a002c74e59ee02eada1");
    check("2147483648", "000a323134373438333634380a00e7b129a34c1d76ee");
    check("-2147483648", "00c2000000800a00c74f873e33558187");
    check("-2147483649", "000b2d323134373438333634390a00c261377908f2028c");
    check("007", "00033030370a007258e27b4c69bad9");
    check("-0", "00022d300a00d5411fd9d6d050cc");
    check("+1", "00022b310a00c286f0d7439aee6f");
    check("12345678901", "000b31323334353637383930310a00304e52d727176510");
    check(
        "xxxxxxxxxxxxxxxxxxxx",
        "001478787878787878787878787878787878787878780a005b3c81eca58cc56b",
    );
    check("xxxxxxxxxxxxxxxxxxxxx", "00c30615017878e00a000a00941a83676017192f");
    check("xxxxxxxxxxxxxxxxxxxxxx", "00c30816017878e00a0000780a004e1f962f4d963536");
    check("abcabcabcabcabcabcabc", "00c30b150361626361e006020162630a000201710c8eebf946");
    check(&"ab".repeat(40), "00c30a405002616261e042010161620a00949d5f0eb1dea445");
    check(
        "hello world, hello world, hello world",
        "00c315250d68656c6c6f20776f726c642c2068e00c0c016c640a00a8bec18e27b98196",
    );
}

#[test]
fn long_payloads_are_those_of_redis() {
    // Length of the payload and its checksum.
    let check = |bytes: &[u8], len, crc: u64| {
        let payload = dump(bytes);
        assert_eq!((payload.len(), &payload[payload.len() - 8..]), (len, &crc.to_le_bytes()[..]));
        assert_eq!(restored(&payload).as_deref(), Ok(bytes));
    };
    check(&letters(100), 84, 0x6f5a_6508_ce6d_426f);
    check(&letters(5000), 2887, 0x53f9_1db5_22f0_f5cd);
    check(&letters(20_000), 11_470, 0xc41c_087e_c48e_a87d);
    check(&[b'z'; 100_000], 1162, 0xafa2_4b5b_f33b_5cc6);
}

/// `a`, `b` and `c` in the order of an xorshift generator.
fn letters(len: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state % 3) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn whatever_is_dumped_is_restored() {
    let mut rng = Rng::seeded(23);
    for round in 0..1500 {
        let len_max = [40, 400, 20_000][rng.below(3) as usize];
        let len = rng.below(len_max) as usize;
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < len {
            let from = rng.below(bytes.len() as u64 + 1) as usize;
            let run = (1 + rng.below(300) as usize).min(bytes.len() - from);
            match rng.below(3) {
                0 => bytes.push(rng.bits() as u8),
                1 => bytes.extend(std::iter::repeat_n(rng.bits() as u8, run)),
                _ => bytes.extend_from_within(from..from + run),
            }
        }
        assert_eq!(restored(&dump(&bytes)), Ok(bytes), "round {round}");
    }
}

#[test]
fn compression_respects_its_bound() {
    let bytes = letters(3000);
    let whole = lzf::compress(&bytes, 3000).unwrap().len();
    for bound in 0..whole + 8 {
        let compressed = lzf::compress(&bytes, bound);
        assert!(compressed.is_none_or(|out| out.len() <= bound), "bound {bound}");
    }
    assert_eq!(lzf::compress(b"", 100), None);
    assert_eq!(lzf::compress(b"abcdefghijklmnopqrstuvwxyz", 22), None);
}

#[test]
fn decompression_is_bounded_and_exact() {
    let check = |compressed: &[u8], len, expected: Option<&[u8]>| {
        assert_eq!(lzf::decompress(compressed, len).as_deref(), expected, "{compressed:?}");
    };
    check(b"\x02abc", 3, Some(b"abc"));
    check(b"\x00a\x20\x00", 4, Some(b"aaaa"));
    check(b"\x01ab\xe0\x03\x01", 14, Some(b"ababababababab"));
    check(b"\x02abc", 2, None);
    check(b"\x02abc", 4, None);
    check(b"\x02ab", 3, None);
    check(b"\x00a\x20\x01", 4, None);
    check(b"\x00a\x20", 4, None);
    check(b"\x00a\xe0\x00", 10, None);
    check(b"\xe0", 9, None);
    check(b"\x00a", usize::MAX, None);
    check(b"", 0, Some(b""));
}

#[test]
fn damage_is_noticed() {
    let payload = dump(b"some text that is long enough, long enough to be compressed");
    for at in 0..payload.len() {
        for bit in 0..8 {
            let mut damaged = payload.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(restored(&damaged), Err(Invalid::VersionOrChecksum), "bit {bit} of {at}");
        }
        assert!(restored(&payload[..at]).is_err());
    }
}

#[test]
fn any_bytes_are_survived() {
    let mut rng = Rng::seeded(29);
    let base = dump(&letters(300));
    for _ in 0..20_000 {
        let mut payload = base[..rng.below(base.len() as u64 + 1) as usize].to_vec();
        for _ in 0..rng.below(4) {
            if !payload.is_empty() {
                // Mostly in the head, where the lengths are.
                let at = rng.below(payload.len() as u64).min(rng.below(400)) as usize;
                payload[at] = rng.bits() as u8;
            }
        }
        if let Ok(Value::String(StringValue::Bytes(bytes))) =
            load(&payload, &Bounds { bytes_max: 1000, ..BOUNDS })
        {
            assert!(bytes.len() <= 1000);
        }
    }
}

/// The two forms of the table of positions must find the same matches, or a dump would not be Redis's.
#[test]
fn a_small_table_compresses_like_the_whole_one() {
    let mut rng = Rng::seeded(11);
    for round in 0..2_000 {
        let len = 1 + rng.below(lzf::SPARSE_BYTES_MAX as u64) as usize;
        let letters = 1 + rng.below(if round % 3 == 0 { 255 } else { 5 });
        let bytes: Vec<u8> = (0..len).map(|_| rng.below(letters) as u8).collect();
        assert_eq!(lzf::compress(&bytes, len), lzf::compress_with_whole_table(&bytes, len));
    }
}

/// One of each collection, small and big, with elements of every class of a listpack.
fn collections(rng: &mut Rng, lens: &[u64]) -> Vec<Vec<u8>> {
    let mut dumps = Vec::new();
    for &len in lens {
        let (mut hash, mut list, mut set) = (Hash::new(), List::new(), Set::new());
        let (mut integers, mut zset) = (Set::new(), Zset::new());
        for nth in 0..len {
            let shift = rng.below(64);
            let number = ((rng.bits() as i64) >> shift).to_string();
            let text_len =
                [rng.below(10), 63 + rng.below(3), 4094 + rng.below(4)][rng.below(3) as usize];
            let mut text = nth.to_string().into_bytes();
            text.resize(text_len as usize + 3, b'x');
            list.push_back(number.as_bytes(), Stamp::NONE, &BOUNDS.list);
            list.push_back(&text, Stamp::NONE, &BOUNDS.list);
            hash.insert(number.as_bytes(), &text, Stamp::NONE, &LIMITS);
            hash.insert(&text, number.as_bytes(), Stamp::NONE, &LIMITS);
            set.insert(&text, Stamp::NONE, &LIMITS);
            integers.insert(number.as_bytes(), Stamp::NONE, &LIMITS);
            zset.insert(number.as_bytes(), nth as f64 / 3.0, Stamp::NONE, &LIMITS);
        }
        dumps.push(super::dump(Shown::Hash(hash.view())));
        dumps.push(super::dump(Shown::List(list.view())));
        dumps.push(super::dump(Shown::Set(set.view())));
        dumps.push(super::dump(Shown::Set(integers.view())));
        dumps.push(super::dump(Shown::Zset(zset.view())));
        dumps.push(dumped_stream(&stream(rng, len)));
    }
    dumps
}

fn dumped_stream(stream: &Stream) -> Vec<u8> {
    super::dump(Shown::Stream(stream))
}

/// A stream with entries of the same names and of others, and groups of which each knows less than the one before.
fn stream(rng: &mut Rng, len: u64) -> Stream {
    let (mut stream, mut id) = (Stream::new(), StreamId::MIN);
    let mut ids = Vec::new();
    for _ in 0..len {
        let (ms, seq) = (id.ms + rng.below(3), rng.below(1000));
        id = StreamId { ms, seq: if ms == id.ms { id.seq + 1 } else { seq } };
        ids.push(id);
        let mut fields = FieldsBuf::default();
        for nth in 0..1 + rng.below(3) {
            fields.push(Item::Integer(nth as i64), Item::Integer(rng.bits() as i64));
            fields.push(Item::Bytes(b"name"), Item::Bytes(&[b'v'; 70][..rng.below(70) as usize]));
        }
        stream.put_entry(id, fields.fields(), Stamp::NONE, &STREAM_LIMITS);
    }
    let last_id = StreamId { ms: id.ms + rng.below(2), seq: id.seq + rng.below(2) };
    let meta = Meta { last_id, entries_added: len + rng.below(5), max_deleted_id: StreamId::MIN };
    stream.put_meta(meta, Stamp::NONE);
    for (nth, name) in [&b"group"[..], b"12", b""].into_iter().enumerate() {
        let state = GroupState { last_id: id, entries_read: (nth == 0).then_some(len) };
        stream.put_group(name, state, Stamp::NONE);
        let consumers = [&b"one"[..], b"2", b"idle"];
        for consumer in consumers {
            let state = ConsumerState { seen_ms: 17, active_ms: Some(17) };
            stream.put_consumer(name, consumer, state, Stamp::NONE);
        }
        for (&id, &consumer) in ids.iter().skip(nth * 3).zip(consumers[..2].iter().cycle()) {
            let (delivered_ms, deliveries, stamp) = (rng.below(99) as i64, 1, Stamp::NONE);
            stream.put_pending(name, Pending { id, consumer, delivered_ms, deliveries, stamp });
        }
    }
    stream
}

/// The payload of what was loaded.
fn dumped_again(value: &Value<'_>) -> Vec<u8> {
    super::dump(match value {
        Value::String(value) => Shown::String(value.clone()),
        Value::Hash(hash) => Shown::Hash(hash.view()),
        Value::List(list) => Shown::List(list.view()),
        Value::Set(set) => Shown::Set(set.view()),
        Value::Zset(zset) => Shown::Zset(zset.view()),
        Value::Stream(stream) => Shown::Stream(stream),
    })
}

#[test]
fn collections_are_restored_as_they_were_dumped() {
    let mut rng = Rng::seeded(31);
    for payload in collections(&mut rng, &[1, 5, 100, 700]) {
        verify(&payload).unwrap();
        let value = load(&payload, &BOUNDS).unwrap();
        let again = dumped_again(&value);
        // The order within a table's leaves is that in which members came.
        if matches!(payload[0], HASH | SET) {
            assert_eq!((again[0], again.len()), (payload[0], payload.len()));
        } else {
            assert_eq!(hex(&again), hex(&payload));
        }
    }
}

#[test]
fn any_bytes_of_collections_are_survived() {
    let mut rng = Rng::seeded(37);
    let dumps = collections(&mut rng, &[1, 3, 6]);
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000 {
        let base = &dumps[round % dumps.len()];
        let mut payload = base[..rng.below(base.len().min(3000) as u64 + 1) as usize].to_vec();
        if rng.below(2) == 0 {
            payload = base.clone();
        }
        for _ in 0..1 + rng.below(3) {
            if !payload.is_empty() {
                let at = rng.below(payload.len() as u64).min(rng.below(2000)) as usize;
                payload[at] = [rng.bits() as u8, 0xff, 0, 0x80][rng.below(4) as usize];
            }
        }
        match load(&payload, &BOUNDS) {
            // What is read has elements, so that it can be dumped and read once more.
            Ok(value) => {
                assert!(load(&dumped_again(&value), &BOUNDS).is_ok());
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}

#[test]
fn forms_that_lie_about_themselves_are_refused() {
    let refused = |kind: u8, packed: &[u8]| {
        let mut payload = vec![kind];
        length::write(&mut payload, packed.len() as u64);
        payload.extend_from_slice(packed);
        assert!(load(&payload, &BOUNDS).is_err(), "{kind} {packed:?}");
    };
    // Bytes in all, number of elements, length at an element's end, end, a lone field, a member twice.
    refused(HASH_LISTPACK, b"\x0c\0\0\0\x02\0\x01\x01\x02\x01\xff");
    refused(HASH_LISTPACK, b"\x0b\0\0\0\x03\0\x01\x01\x02\x01\xff");
    refused(HASH_LISTPACK, b"\x0b\0\0\0\x02\0\x01\x02\x02\x01\xff");
    refused(HASH_LISTPACK, b"\x0b\0\0\0\x02\0\x01\x01\x02\x01\x00");
    refused(HASH_LISTPACK, b"\x09\0\0\0\x01\0\x01\x01\xff");
    refused(SET_LISTPACK, b"\x0b\0\0\0\x02\0\x01\x01\x01\x01\xff");
    refused(ZSET_LISTPACK, b"\x0d\0\0\0\x02\0\x01\x01\x81x\x02\xff");
    // The element before, the tail, the end.
    refused(HASH_ZIPLIST, b"\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf2\x03\xf3\xff");
    refused(HASH_ZIPLIST, b"\x0f\0\0\0\xff\0\0\0\x02\0\0\xf2\x02\xf3\xff");
    refused(HASH_ZIPMAP, b"\x01\x01a\x01\x05b\xff");
    refused(HASH_ZIPMAP, b"\x02\x01a\x01\x00b\xff");
    refused(SET_INTSET, b"\x02\0\0\0\x02\0\0\0\x05\0\x05\0");
    refused(SET_INTSET, b"\x02\0\0\0\x03\0\0\0\x05\0\x06\0");
    refused(SET_INTSET, b"\x02\0\0\0\0\0\0\0");
}

/// Three bytes stand for 264: a payload of many such strings could take eighty times its length.
#[test]
fn compressed_strings_share_one_bound() {
    let text = [b'a'; 1000];
    let mut body = vec![LIST];
    length::write(&mut body, 20);
    for _ in 0..20 {
        string::write(&mut body, StringValue::Bytes(Cow::Borrowed(&text)));
    }
    assert!(load(&body, &Bounds { bytes_max: 20_000, ..BOUNDS }).is_ok());
    assert!(load(&body, &Bounds { bytes_max: 19_999, ..BOUNDS }).is_err());
}

/// A listpack in which the names are written once.
fn node_of_shared_names(names_bytes: usize, entries: i64) -> Vec<u8> {
    let mut node = listpack::Writer::new();
    let name = vec![b'n'; names_bytes];
    let head = [entries, 0, 1].map(Item::Integer);
    head.into_iter().chain([Item::Bytes(&name), Item::Integer(0)]).for_each(|it| node.push(it));
    for nth in 0..entries {
        [2, 0, nth, 7, 4].into_iter().for_each(|value| node.push(Item::Integer(value)));
    }
    node.finish()
}

/// An entry takes fifteen bytes there, and ten thousand here if the leaf that it comes to has no room for another.
#[test]
fn names_that_entries_share_are_bounded() {
    let payload = |names_bytes: usize, entries: i64| {
        let mut body = vec![STREAM_LISTPACKS_2, 1, 16];
        body.extend_from_slice(&StreamId { ms: 1, seq: 0 }.to_bytes());
        let node = node_of_shared_names(names_bytes, entries);
        length::write(&mut body, node.len() as u64);
        body.extend_from_slice(&node);
        length::write(&mut body, entries as u64);
        [1, entries as u64, 1, 0, 0, 0, entries as u64, 0]
            .into_iter()
            .for_each(|number| length::write(&mut body, number));
        body
    };
    let bounds = Bounds { bytes_max: 1 << 20, ..BOUNDS };
    let loads = |payload: &[u8]| load(payload, &bounds).is_ok();
    assert!(loads(&payload(10_000, 100)));
    assert!(!loads(&payload(10_000, 1_000)));
    assert!(loads(&payload(100, 1_000)));
}

/// A group takes eight bytes there, and hundreds here.
#[test]
fn groups_are_bounded() {
    let payload = |groups: u64| {
        let mut body = vec![STREAM_LISTPACKS_2, 0, 0];
        body.extend_from_slice(&[0; 7]);
        length::write(&mut body, groups);
        for nth in 0..groups {
            length::write(&mut body, 8);
            body.extend_from_slice(&nth.to_be_bytes());
            body.extend_from_slice(&[0; 5]);
        }
        body
    };
    let bounds = Bounds { bytes_max: 1 << 20, ..BOUNDS };
    assert!(load(&payload(1_000), &bounds).is_ok());
    assert!(load(&payload(70_000), &bounds).is_err());
}
