//! The clients that are written in Rust, each run in a process of its own.

mod everpost;
mod lettre;
mod mail_send;
mod wire;

use std::error::Error;
use std::fs;
use std::future::Future;

use ::everpost::Message;
use bytes::Bytes;

use crate::job::{Answer, Job, Stretch};

/// Does a job with one of the Rust clients.
pub(crate) fn run(peer: &str, job: &Job) -> Result<Answer, Box<dyn Error>> {
    let content = || fs::read(&job.message).map(Bytes::from);
    match peer {
        "everpost" if job.how == "send-file" => {
            everpost::run(job, Message::from_file(&job.message))
        }
        "everpost" => everpost::run(job, content()?.into()),
        "lettre" => one_thread(lettre::run(job, content()?)),
        "mail-send" => one_thread(mail_send::run(job, content()?)),
        "wire" => wire::run(job, &content()?),
        _ => Err(format!("there is no peer called {peer}").into()),
    }
}

/// Every asynchronous client gets the same runtime: one thread that does
/// everything, so that none pays for wake-ups between threads.
fn one_thread<T>(
    work: impl Future<Output = Result<T, Box<dyn Error>>>,
) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Sends from as many tasks as there are connections, each message after the
/// answer to the one before it, warm-up first.
async fn in_parallel<W, F>(job: &Job, work: W) -> Result<Answer, Box<dyn Error>>
where
    W: Fn(usize, Stretch) -> F,
    F: Future<Output = Result<u64, Box<dyn Error>>>,
{
    let all = async |stretch| -> Result<u64, Box<dyn Error>> {
        let tasks = (0..job.connections).map(|index| work(index, stretch));
        Ok(futures_util::future::try_join_all(tasks).await?.into_iter().sum())
    };
    let warm = all(Stretch::begin(job.warm)).await?;
    let stretch = Stretch::begin(job.seconds);
    let messages = all(stretch).await?;
    Ok(stretch.answer(messages, warm))
}
