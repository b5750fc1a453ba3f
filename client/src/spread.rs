//! Several futures at once, in one task.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs `futures` together; their outputs in the same order. Each wake-up looks at those that are not over; they are few, one for a node or slot.
pub(crate) async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let slots = futures.into_iter().map(|future| Slot::Running(Box::pin(future))).collect();
    Together { slots }.await
}

enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Over(Option<F::Output>),
}

struct Together<F: Future> {
    slots: Vec<Slot<F>>,
}

// Nothing in it is pinned but what is boxed.
impl<F: Future> Unpin for Together<F> {}

impl<F: Future> Future for Together<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut is_over = true;
        for slot in &mut this.slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *slot = Slot::Over(Some(output)),
                    Poll::Pending => is_over = false,
                }
            }
        }
        if !is_over {
            return Poll::Pending;
        }
        let outputs = this.slots.drain(..).filter_map(|slot| match slot {
            Slot::Over(output) => output,
            Slot::Running(_) => None,
        });
        Poll::Ready(outputs.collect())
    }
}
