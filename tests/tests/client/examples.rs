//! The client's examples, run as its documentation has them.

#[path = "../../../client/examples/cache_aside.rs"]
mod cache_aside;
#[path = "../../../client/examples/counter.rs"]
mod counter;
#[path = "../../../client/examples/pubsub.rs"]
mod pubsub;
#[path = "../../../client/examples/rate_limiter.rs"]
mod rate_limiter;
#[path = "../../../client/examples/session.rs"]
mod session;

/// Each against the server at `url`.
pub fn run(url: &str) {
    super::threads().block_on(async {
        cache_aside::run(url).await.unwrap();
        counter::run(url).await.unwrap();
        session::run(url).await.unwrap();
        rate_limiter::run(url).await.unwrap();
        pubsub::run(url).await.unwrap();
    });
}
