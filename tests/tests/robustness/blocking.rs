//! Many clients that wait in blocking commands: each is served once, in the order in which they came.

use super::LIMIT;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use torc_tests::resp::encode;
use torc_tests::{Connection, Server, Value, start_node, wait};

fn await_blocked(server: &Server, count: usize) {
    let mut connection = server.connect();
    let line = format!("\nblocked_clients:{count}\r");
    wait::until("so many clients wait", LIMIT, || {
        connection.run("INFO clients").text().contains(&line)
    });
}

fn popped(reply: &[u8]) -> (String, usize) {
    let reply = Value::parse(reply).expect("a whole reply");
    let [key, element] = reply.items() else { panic!("not a popped element: {reply}") };
    (key.text(), element.text().parse().expect("what was pushed is a number"))
}

/// A thousand clients wait for a hundred lists, ten for each; four connections push. Each client gets the element that its place in the queue gives it.
#[test]
fn a_thousand_clients_are_served_in_order() {
    const LISTS: usize = 100;
    const EACH: usize = 10;
    let server = start_node!(&["--maxclients", "2000"]);
    let mut clients: Vec<Connection> = (0..LISTS * EACH).map(|_| server.connect()).collect();
    for (round, clients) in clients.chunks_mut(LISTS).enumerate() {
        for (list, client) in clients.iter_mut().enumerate() {
            let key = format!("list:{list}");
            client.send(&encode(&["BLPOP", &key, "none", "0"])).unwrap();
        }
        await_blocked(&server, (round + 1) * LISTS);
    }
    std::thread::scope(|scope| {
        for part in 0..4 {
            let mut pusher = server.connect();
            scope.spawn(move || {
                for list in (part..LISTS).step_by(4) {
                    let key = format!("list:{list}");
                    for element in 0..EACH / 2 {
                        let reply = pusher.call(&["RPUSH", &key, &element.to_string()]).unwrap();
                        assert_eq!(reply, Value::Integer(1), "the one before was taken at once");
                    }
                    // The rest at once.
                    let mut push = vec!["RPUSH".to_owned(), key];
                    push.extend((EACH / 2..EACH).map(|element| element.to_string()));
                    assert_eq!(pusher.call(&push).unwrap(), Value::Integer((EACH / 2) as i64));
                }
            });
        }
    });
    for (index, client) in clients.iter_mut().enumerate() {
        let (key, element) = popped(&client.read_reply().unwrap());
        assert_eq!((key, element), (format!("list:{}", index % LISTS), index / LISTS));
    }
    await_blocked(&server, 0);
    assert_eq!(server.connect().run("DBSIZE"), Value::Integer(0));
}

/// Four connections push to one list at once, fewer elements than there are clients: those who came first are served, and nobody else.
#[test]
fn who_came_first_is_served_whoever_pushes() {
    const CLIENTS: usize = 200;
    const PUSHED: usize = 100;
    let server = start_node!(&[]);
    let mut clients = Vec::new();
    for index in 0..CLIENTS {
        let mut client = server.connect();
        client.send(&encode(&["BLPOP", "queue", "0"])).unwrap();
        clients.push(client);
        await_blocked(&server, index + 1);
    }
    std::thread::scope(|scope| {
        for part in 0..4 {
            let mut pusher = server.connect();
            scope.spawn(move || {
                for element in (part..PUSHED).step_by(4) {
                    pusher.call(&["LPUSH", "queue", &element.to_string()]).unwrap();
                }
            });
        }
    });
    await_blocked(&server, CLIENTS - PUSHED);
    let (first, rest) = clients.split_at_mut(PUSHED);
    let got: HashSet<usize> =
        first.iter_mut().map(|client| popped(&client.read_reply().unwrap()).1).collect();
    assert_eq!(got.len(), PUSHED, "each element went to one client");
    for client in rest.iter_mut() {
        client.set_timeout(Duration::from_millis(1)).unwrap();
        assert!(client.read_reply().is_err(), "nothing is left for it");
    }
}

/// Clients whose time is over at any moment, others that leave while they wait, pops that do not wait in between: no element is lost, none is served twice.
#[test]
fn nothing_is_lost_and_nothing_served_twice() {
    const PUSHERS: usize = 3;
    const EACH: usize = 3_000;
    let server = start_node!(&[]);
    let taken = AtomicU32::new(0);
    let all: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let mut takers = Vec::new();
        for taker in 0..8 {
            let (server, taken) = (&server, &taken);
            takers.push(scope.spawn(move || {
                let mut connection = server.connect();
                let mut own = Vec::new();
                // Relaxed: a count that only ends the loop.
                while taken.load(Ordering::Relaxed) < (PUSHERS * EACH) as u32 {
                    let command: &[&str] = match (taker + own.len()) % 5 {
                        0 => &["BLPOP", "a", "b", "c", "0.001"],
                        1 => &["BRPOP", "c", "b", "a", "0.002"],
                        2 => &["BLMPOP", "0.001", "3", "b", "c", "a", "LEFT", "COUNT", "2"],
                        3 => &["LPOP", "b", "1"],
                        _ => &["BLPOP", "c", "a", "b", "0.5"],
                    };
                    let reply = connection.call(command).unwrap();
                    let elements: Vec<usize> = match reply.items() {
                        [] => Vec::new(),
                        [element] => vec![element.text().parse().unwrap()],
                        [_, Value::Array(_, elements)] => {
                            elements.iter().map(|it| it.text().parse().unwrap()).collect()
                        }
                        [_, element, ..] => vec![element.text().parse().unwrap()],
                    };
                    // Relaxed: as above.
                    taken.fetch_add(elements.len() as u32, Ordering::Relaxed);
                    own.extend(elements);
                }
                own
            }));
        }
        // These wait for what never comes, and go again.
        let (server, taken) = (&server, &taken);
        scope.spawn(move || {
            // Relaxed: as above.
            while taken.load(Ordering::Relaxed) < (PUSHERS * EACH) as u32 {
                let mut connection = server.connect();
                connection.send(&encode(&["BZPOPMIN", "a", "b", "0"])).unwrap();
                drop(connection);
            }
        });
        for pusher in 0..PUSHERS {
            let mut connection = server.connect();
            scope.spawn(move || {
                for index in 0..EACH {
                    let element = (pusher * EACH + index).to_string();
                    let key = ["a", "b", "c"][index % 3];
                    if index % 7 == 0 {
                        let push = encode(&["RPUSH", key, &element]);
                        let steps =
                            [encode(&["MULTI"]), push, encode(&["LLEN", key]), encode(&["EXEC"])];
                        connection.pipeline(&steps.concat(), 4);
                    } else {
                        connection.call(&["RPUSH", key, &element]).unwrap();
                    }
                }
            });
        }
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    });
    let mut all = all.concat();
    all.sort_unstable();
    assert_eq!(all, (0..PUSHERS * EACH).collect::<Vec<_>>());
    assert_eq!(server.connect().run("DBSIZE"), Value::Integer(0));
}
