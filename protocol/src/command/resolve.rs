//! From a request's arguments to its row, or to the error that Redis answers.

use super::lookup::{find, find_subcommand};
use super::spec::CommandSpec;
use crate::{Args, WireError};
use std::borrow::Cow;

/// How many bytes of a client's words an error quotes.
const QUOTE_MAX: usize = 128;

/// The command that `args` call, subcommand included, with a number of arguments that suits it.
///
/// # Errors
/// Unknown command, unknown subcommand, wrong number of arguments, in this order.
#[inline]
pub fn resolve(args: &Args<'_>) -> Result<&'static CommandSpec, WireError> {
    match args.get(0).and_then(find) {
        Some(spec) if spec.subcommand_count == 0 && spec.accepts(args.len()) => Ok(spec),
        found => resolve_rest(found, args),
    }
}

/// Containers and errors.
#[inline(never)]
fn resolve_rest(
    found: Option<&'static CommandSpec>,
    args: &Args<'_>,
) -> Result<&'static CommandSpec, WireError> {
    let container = found.ok_or_else(|| unknown_command(args))?;
    let spec = subcommand_of(container, args).ok_or_else(|| unknown_subcommand(container, args))?;
    if spec.accepts(args.len()) { Ok(spec) } else { Err(wrong_arity(spec)) }
}

/// The row that `args` call where `spec` is that of their first word: a container's subcommand if there is a second
/// word, else `spec` itself. `None` if the container has no such subcommand.
pub fn subcommand_of(spec: &'static CommandSpec, args: &Args<'_>) -> Option<&'static CommandSpec> {
    match args.get(1) {
        Some(name) if spec.subcommand_count != 0 => find_subcommand(spec, name),
        _ => Some(spec),
    }
}

#[cold]
fn wrong_arity(spec: &'static CommandSpec) -> WireError {
    WireError::WrongArity(Cow::Borrowed(spec.full_name))
}

#[cold]
fn unknown_command(args: &Args<'_>) -> WireError {
    let mut line = b"ERR unknown command '".to_vec();
    line.extend_from_slice(quoted(args.get(0).unwrap_or_default(), QUOTE_MAX));
    line.extend_from_slice(b"', with args beginning with: ");
    let begin = line.len();
    for arg in args.iter().skip(1) {
        // The quotes and the space count, but an argument is cut only against what stood before it.
        let used = line.len() - begin;
        if used >= QUOTE_MAX {
            break;
        }
        line.push(b'\'');
        line.extend_from_slice(quoted(arg, QUOTE_MAX - used));
        line.extend_from_slice(b"' ");
    }
    WireError::Bytes(line)
}

#[cold]
fn unknown_subcommand(container: &CommandSpec, args: &Args<'_>) -> WireError {
    let mut line = b"ERR unknown subcommand '".to_vec();
    line.extend_from_slice(quoted(args.get(1).unwrap_or_default(), QUOTE_MAX));
    line.extend_from_slice(b"'. Try ");
    line.extend(container.name.bytes().map(|b| b.to_ascii_uppercase()));
    line.extend_from_slice(b" HELP.");
    WireError::Bytes(line)
}

/// What Redis shows of a client's word: at most `max` bytes, and none from a zero byte on.
fn quoted(word: &[u8], max: usize) -> &[u8] {
    let word = &word[..word.len().min(max)];
    &word[..memchr::memchr(0, word).unwrap_or(word.len())]
}
