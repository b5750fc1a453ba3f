//! Sorting by distance. Where distances are equal, the order is the one that Redis answers: all of them keep their order, but a part of them is taken by a
//! quicksort that leaves the rest unsorted, and that moves equals around.
//!
//! Source: Bentley and McIlroy, "Engineering a Sort Function" (1993), which is the quicksort.

use std::cmp::Ordering;

/// Below so many, elements are inserted one by one.
const INSERTED_BELOW: usize = 7;

/// From here on the pivot is a median of more than the first, the middle and the last.
const SAMPLED_FROM: usize = 41;

/// Parts of parts of …: a good pivot halves a part, so this is reached only by what was made to be slow, and then equals keep their order.
const DEPTH_MAX: u32 = 128;

/// Sorts as much of `items` as it takes for the first `wanted` to be those of a sorted slice.
pub fn sort_first<T>(items: &mut [T], wanted: usize, order: impl Fn(&T, &T) -> Ordering) {
    if wanted >= items.len() {
        return items.sort_by(order);
    }
    let mut open = vec![(0..items.len(), 0)];
    while let Some((range, depth)) = open.pop() {
        let part = &mut items[range.clone()];
        if part.len() < INSERTED_BELOW || depth > DEPTH_MAX {
            part.sort_by(&order);
            continue;
        }
        let (below, above) = partition(part, &order);
        if below > 1 {
            open.push((range.start..range.start + below, depth + 1));
        }
        let start = range.end - above;
        if above > 1 && start < wanted {
            open.push((start..range.end, depth + 1));
        }
    }
}

/// Puts what comes before a pivot to the front and what comes behind it to the back; how many those are.
fn partition<T>(items: &mut [T], order: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    items.swap(0, pivot(items, order));
    // equal 0..=left, below ..next, unknown next..=last, above ..=right, equal ..len: equals go to both ends first.
    let (mut left, mut next) = (1, 1);
    let (mut last, mut right) = (len - 1, len - 1);
    loop {
        while next <= last {
            match order(&items[next], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(left, next);
                    left += 1;
                }
                Ordering::Less => {}
            }
            next += 1;
        }
        while next <= last {
            match order(&items[last], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    items.swap(last, right);
                    right -= 1;
                }
                Ordering::Greater => {}
            }
            last -= 1;
        }
        if next > last {
            break;
        }
        items.swap(next, last);
        next += 1;
        last -= 1;
    }
    let (below, above) = (next - left, right - last);
    let front = left.min(below);
    swap_ranges(items, 0, next - front, front);
    let back = above.min(len - 1 - right);
    swap_ranges(items, next, len - back, back);
    (below, above)
}

fn swap_ranges<T>(items: &mut [T], a: usize, b: usize, len: usize) {
    (0..len).for_each(|nth| items.swap(a + nth, b + nth));
}

/// Where an element lies that is likely to be in the middle.
fn pivot<T>(items: &[T], order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let (first, middle, last) = (0, items.len() / 2, items.len() - 1);
    if items.len() == INSERTED_BELOW {
        return middle;
    }
    let median = |a, b, c| median(items, [a, b, c], order);
    if items.len() < SAMPLED_FROM {
        return median(first, middle, last);
    }
    let apart = items.len() / 8;
    median(
        median(first, first + apart, first + 2 * apart),
        median(middle - apart, middle, middle + apart),
        median(last - 2 * apart, last - apart, last),
    )
}

fn median<T>(items: &[T], [a, b, c]: [usize; 3], order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let compare = |a: usize, b: usize| order(&items[a], &items[b]);
    if compare(a, b).is_lt() {
        match () {
            () if compare(b, c).is_lt() => b,
            () if compare(a, c).is_lt() => c,
            () => a,
        }
    } else {
        match () {
            () if compare(b, c).is_gt() => b,
            () if compare(a, c).is_lt() => a,
            () => c,
        }
    }
}
