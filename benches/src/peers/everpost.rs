//! Everpost, in the ways its users call it.

use std::error::Error;
use std::fs;

use everpost::{Credentials, Mailer, Message, PoolPolicy, TrustRoots};
use futures_util::StreamExt;

use super::{in_parallel, one_thread};
use crate::job::{Answer, Job, Stretch};

pub(super) fn run(job: &Job, message: Message) -> Result<Answer, Box<dyn Error>> {
    match job.how.as_str() {
        // As under `#[tokio::main]`: the connection lives on another thread.
        "send-threads" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(send(job, message))
        }
        // Each sender a task, as in a server.
        "send-tasks" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(send_from_tasks(job, message))
        }
        // Each sender a thread that waits, as where nothing is asynchronous.
        "send-blocking" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            send_from_threads(job, message, runtime.handle())
        }
        "batch" => one_thread(batch(job, message)),
        _ => one_thread(send(job, message)),
    }
}

fn mailer(job: &Job) -> Result<Mailer, Box<dyn Error>> {
    let mut policy = PoolPolicy::default();
    if job.is_fresh() {
        policy = PoolPolicy::fresh();
    } else {
        policy.max_connections = job.connections;
    }
    Ok(Mailer::builder(&*job.host)
        .port(job.port)
        .trust(TrustRoots::Pem(fs::read(&job.ca)?))
        .credentials(Credentials::password(&*job.user, &*job.password))
        .chunking(job.how.ends_with("bdat"))
        .resumption(job.how == "fresh-resumed")
        .pool(policy)
        .build()?)
}

/// One message after the other.
async fn send(job: &Job, message: Message) -> Result<Answer, Box<dyn Error>> {
    let mailer = mailer(job)?;
    let work = async |_, stretch: Stretch| {
        let mut messages = 0;
        while stretch.goes_on() {
            mailer.send(message.clone()).await?;
            messages += 1;
        }
        Ok(messages)
    };
    let answer = in_parallel(job, work).await;
    mailer.close().await;
    answer
}

/// As `send`, from tasks of their own.
async fn send_from_tasks(job: &Job, message: Message) -> Result<Answer, Box<dyn Error>> {
    let mailer = mailer(job)?;
    let work = async |_, stretch: Stretch| {
        let (mailer, message) = (mailer.clone(), message.clone());
        let task = tokio::spawn(async move {
            let mut messages = 0;
            while stretch.goes_on() {
                mailer.send(message.clone()).await?;
                messages += 1;
            }
            Ok::<u64, everpost::Error>(messages)
        });
        Ok(task.await??)
    };
    let answer = in_parallel(job, work).await;
    mailer.close().await;
    answer
}

/// As `send`, from threads of their own, which wait.
fn send_from_threads(
    job: &Job,
    message: Message,
    runtime: &tokio::runtime::Handle,
) -> Result<Answer, Box<dyn Error>> {
    let mailer = {
        let _inside = runtime.enter();
        mailer(job)?
    };
    let one = |stretch: Stretch| {
        let mut messages = 0;
        while stretch.goes_on() {
            runtime.block_on(mailer.send(message.clone()))?;
            messages += 1;
        }
        Ok::<u64, everpost::Error>(messages)
    };
    let all = |stretch: Stretch| -> Result<u64, Box<dyn Error>> {
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..job.connections).map(|_| scope.spawn(|| one(stretch))).collect();
            let mut messages = one(stretch)?;
            for other in others {
                messages += other.join().map_err(|_| "a thread has panicked")??;
            }
            Ok(messages)
        })
    };
    let warm = all(Stretch::begin(job.warm))?;
    let stretch = Stretch::begin(job.seconds);
    let answer = stretch.answer(all(stretch)?, warm);
    runtime.block_on(mailer.close());
    Ok(answer)
}

/// Many messages at once.
async fn batch(job: &Job, message: Message) -> Result<Answer, Box<dyn Error>> {
    let mailer = mailer(job)?;
    let all = async |stretch: Stretch| -> Result<u64, Box<dyn Error>> {
        let next = || stretch.goes_on().then(|| message.clone());
        let mut results = mailer.send_all(std::iter::from_fn(next));
        let mut messages = 0;
        while let Some((_, result)) = results.next().await {
            result?;
            messages += 1;
        }
        Ok(messages)
    };
    let warm = all(Stretch::begin(job.warm)).await?;
    let stretch = Stretch::begin(job.seconds);
    let answer = stretch.answer(all(stretch).await?, warm);
    mailer.close().await;
    Ok(answer)
}
