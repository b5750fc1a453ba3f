//! What no client can better: requests written and replies counted on the same runtime, and nothing else done. What is above it is a client's doing,
//! the rest the kernel's, the runtime's and the server's.

use crate::peers::{VALUE_BYTES, keys};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

/// The reply to a GET: `$64`, the value, and the ends of their lines.
const REPLY_BYTES: usize = VALUE_BYTES + 7;

async fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the server answers");
    socket.set_nodelay(true).expect("a socket");
    socket
}

fn requests(nth: usize) -> Vec<String> {
    let get = |key: &String| format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
    keys(nth).iter().map(get).collect()
}

/// One task that writes so many requests at a time and reads their replies.
pub async fn alone(port: u16, at_a_time: usize, end: Instant) -> u64 {
    let mut socket = connect(port).await;
    let all = requests(0);
    let batches: Vec<String> = all.chunks_exact(at_a_time).map(|batch| batch.concat()).collect();
    let (mut replies, mut done) = (vec![0; 1 << 16], 0);
    while done % 16 != 0 || Instant::now() < end {
        socket.write_all(batches[done % batches.len()].as_bytes()).await.expect("written");
        let mut missing = at_a_time * REPLY_BYTES;
        while missing > 0 {
            missing -= socket.read(&mut replies).await.expect("read");
        }
        done += 1;
    }
    (done * at_a_time) as u64
}

/// What the callers share, and the task that reads and writes for them.
#[derive(Default)]
struct Shared {
    out: Vec<u8>,
    queue: VecDeque<usize>,
    callers: Vec<Caller>,
    /// The task is about to write.
    is_armed: bool,
    task: Option<Waker>,
}

#[derive(Default)]
struct Caller {
    is_done: bool,
    waker: Option<Waker>,
}

type Callers = Arc<Mutex<Shared>>;

fn with<T>(callers: &Callers, use_them: impl FnOnce(&mut Shared) -> T) -> T {
    use_them(&mut callers.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Callers over one connection, who leave their requests in one buffer, and one task that writes it and tells them of their replies.
pub async fn together(port: u16, count: usize, end: Instant) -> u64 {
    let callers = Callers::default();
    with(&callers, |shared| shared.callers.resize_with(count, Caller::default));
    let (read, mut write) = connect(port).await.into_split();
    let own = Arc::clone(&callers);
    let driver = tokio::spawn(async move {
        let (mut read, mut taken) =
            (Replies { read, buffer: vec![0; 1 << 16], bytes: 0 }, Vec::new());
        loop {
            tokio::select! {
                biased;
                () = read.tell(&own) => {}
                () = armed(&own) => {}
            }
            tokio::task::yield_now().await;
            with(&own, |shared| {
                shared.is_armed = false;
                std::mem::swap(&mut shared.out, &mut taken);
            });
            write.write_all(&taken).await.expect("written");
            taken.clear();
        }
    });
    let tasks: Vec<_> =
        (0..count).map(|nth| tokio::spawn(one(Arc::clone(&callers), nth, end))).collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a caller does not panic");
    }
    driver.abort();
    done
}

async fn armed(callers: &Callers) {
    poll_fn(|cx| {
        with(callers, |shared| {
            if shared.is_armed {
                return Poll::Ready(());
            }
            shared.task = Some(cx.waker().clone());
            Poll::Pending
        })
    })
    .await;
}

struct Replies {
    read: OwnedReadHalf,
    buffer: Vec<u8>,
    /// Read and not given out.
    bytes: usize,
}

impl Replies {
    async fn tell(&mut self, callers: &Callers) {
        self.bytes += self.read.read(&mut self.buffer).await.expect("read");
        let mut woken = Vec::new();
        with(callers, |shared| {
            while self.bytes >= REPLY_BYTES {
                self.bytes -= REPLY_BYTES;
                let nth = shared.queue.pop_front().expect("a reply has a request");
                shared.callers[nth].is_done = true;
                woken.extend(shared.callers[nth].waker.take());
            }
            shared.is_armed = true;
        });
        woken.into_iter().for_each(Waker::wake);
    }
}

/// One caller: how many replies it had.
async fn one(callers: Callers, nth: usize, end: Instant) -> u64 {
    let requests = requests(nth);
    let mut done = 0;
    while done % 16 != 0 || Instant::now() < end {
        let request = requests[done as usize % requests.len()].as_bytes();
        let mut is_sent = false;
        poll_fn(|cx| {
            let (polled, task) = with(&callers, |shared| {
                let caller = &mut shared.callers[nth];
                if std::mem::take(&mut caller.is_done) {
                    return (Poll::Ready(()), None);
                }
                caller.waker = Some(cx.waker().clone());
                if std::mem::replace(&mut is_sent, true) {
                    return (Poll::Pending, None);
                }
                shared.queue.push_back(nth);
                shared.out.extend_from_slice(request);
                let wakes = !std::mem::replace(&mut shared.is_armed, true);
                (Poll::Pending, shared.task.take().filter(|_| wakes))
            });
            task.into_iter().for_each(Waker::wake);
            polled
        })
        .await;
        done += 1;
    }
    done
}
