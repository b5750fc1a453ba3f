//! The request decoder: a GET, a SET of 100 B, 16 GETs in a pipeline, an MSET of ten pairs, an inline GET.
//!
//! Buffers and spans are reused as a worker reuses them, so nothing is allocated. `cargo bench -p torc-benches --bench decode`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torc_protocol::request::{Decoder, Limits, Span, Status};

/// A request in RESP's form.
fn request(args: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
    }
    bytes
}

/// Decodes everything in `buf`; returns the number of arguments.
fn decode(buf: &mut [u8], spans: &mut Vec<Span>, limits: &Limits) -> usize {
    let mut decoder = Decoder::new();
    let mut pos = 0;
    spans.clear();
    while pos < buf.len() {
        let status = decoder.decode(buf, &mut pos, spans, limits);
        assert!(matches!(status, Ok(Status::Request { .. })), "the bench's requests are whole");
    }
    spans.len()
}

fn benches(criterion: &mut Criterion) {
    let key = "key:000000001234";
    let value = "v".repeat(100);
    let get = request(&["GET", key]);
    let mset: Vec<&str> = std::iter::once("MSET").chain([key, &value].repeat(10)).collect();
    let inputs = [
        ("get", get.clone(), 1),
        ("set_100", request(&["SET", key, &value]), 1),
        ("get_pipeline_16", get.repeat(16), 16),
        ("mset_10_pairs", request(&mset), 1),
        ("inline_get", format!("GET {key}\r\n").into_bytes(), 1),
    ];
    let limits = black_box(Limits::default());
    let mut spans = Vec::new();
    let mut group = criterion.benchmark_group("decode");
    for (name, bytes, requests) in inputs {
        let mut buf = bytes;
        group.throughput(Throughput::Elements(requests));
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(&mut buf), &mut spans, &limits));
        });
    }
    group.finish();
}

criterion_group!(decode_benches, benches);
criterion_main!(decode_benches);
