//! One request of a batch: where it lies, what it asks for, and where its first key lives.
//!
//! Forty-eight bytes that own nothing. An error is not kept: whoever answers it finds it again ([`Planned::trouble`]).

use crate::store::{KeyHash, KeyHint, Store};
use std::ops::Range;
use torc_protocol::command::{CommandSpec, resolve};
use torc_protocol::request::Span;
use torc_protocol::slot::Slot;
use torc_protocol::{Args, WireError};

/// See the module's description. Offsets fit 32 bits, as those of spans do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    start: u32,
    end: u32,
    first_span: u32,
    span_count: u32,
    spec: Option<&'static CommandSpec>,
    /// Which argument its first key is, if that was looked up ahead; else 0.
    key: u32,
    place: KeyHash,
}

const _: () = assert!(size_of::<Planned>() == 48);

impl Planned {
    /// The request at `bytes` of the input, whose arguments are `spans` of the batch's.
    #[inline]
    pub fn new(bytes: Range<usize>, spans: Range<usize>, args: &Args<'_>) -> Self {
        Planned {
            start: bytes.start as u32,
            end: bytes.end as u32,
            first_span: spans.start as u32,
            span_count: spans.len() as u32,
            spec: resolve(args).ok(),
            key: 0,
            place: KeyHash::default(),
        }
    }

    /// A command that is not in the batch's input: what EXEC runs.
    pub fn apart(spec: &'static CommandSpec) -> Self {
        let (place, spec) = (KeyHash::default(), Some(spec));
        Planned { start: 0, end: 0, first_span: 0, span_count: 0, spec, key: 0, place }
    }

    /// What it asks for; `None` if that cannot be.
    #[inline]
    pub fn spec(&self) -> Option<&'static CommandSpec> {
        self.spec
    }

    /// Why it cannot be.
    #[cold]
    pub fn trouble(args: Args<'_>) -> WireError {
        resolve(&args).err().unwrap_or(WireError::Syntax)
    }

    /// Where it begins in the input.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Where the next begins.
    #[inline]
    pub fn end(&self) -> usize {
        self.end as usize
    }

    /// Its bytes.
    pub fn request<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.start()..self.end()]
    }

    /// Its arguments.
    #[inline]
    pub fn args<'a>(&self, input: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        let first = self.first_span as usize;
        Args::new(input, &spans[first..first + self.span_count as usize])
    }

    /// Looks up where its first key lives, if it has one.
    #[inline(always)]
    pub fn find_place(&mut self, args: &Args<'_>, store: &Store) {
        if let Some(spec) = self.spec
            && let Some(index) = spec.first_key(args)
            && let Some(key) = args.get(index)
        {
            (self.key, self.place) = (index as u32, store.place(key));
        }
    }

    /// Where its first key lives, if that was looked up ahead.
    #[inline]
    pub fn place(&self) -> Option<KeyHash> {
        (self.key != 0).then_some(self.place)
    }

    /// The slot of its only key, if the command has one key and it was looked up ahead.
    #[inline]
    pub fn only_slot(&self, spec: &CommandSpec) -> Option<Slot> {
        let slot = || Slot::new(self.place.slot() as u16);
        if spec.only_key && self.key != 0 { slot() } else { None }
    }

    /// Whether it asks something of a collection.
    #[inline]
    pub fn is_of_collections(&self) -> bool {
        self.spec.is_some_and(|spec| spec.group.is_of_collections())
    }

    /// The place for the store, and whose it is.
    #[inline]
    pub fn hint(&self, args: Args<'_>) -> KeyHint {
        match self.place() {
            Some(place) => KeyHint::new(&args[self.key as usize], place),
            None => KeyHint::none(),
        }
    }
}
