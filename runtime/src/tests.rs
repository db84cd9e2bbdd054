use std::pin::pin;
use std::task::Poll;

use super::*;

#[test]
fn a_future_runs_on_the_runtime_and_may_be_waited_for_outside_it() {
    let task = spawn(async { std::thread::current().name().map(str::to_owned) }).unwrap();
    let name = block_on(task).unwrap().unwrap();
    assert!(name.is_some_and(|name| name.starts_with("everpost")));
}

#[test]
fn a_thread_of_the_runtime_is_refused_instead_of_waiting_for_itself() {
    let task = spawn(async { (block_on(async {}), shutdown(Duration::ZERO)) }).unwrap();
    let refused = block_on(task).unwrap().unwrap();
    assert!(matches!(refused, (Err(RunError::WrongThread), Err(RunError::WrongThread))));
}

#[test]
fn of_two_values_made_at_once_both_threads_see_the_first() {
    let value = PerProcess::new();
    let first = value.get_or_init(|| {
        assert_eq!(*value.get_or_init(|| 1), 1);
        2
    });
    assert_eq!((*first, value.get()), (1, Some(&1)));
}

#[test]
fn a_value_that_cannot_be_made_is_tried_again() {
    let value = PerProcess::<u8>::new();
    assert_eq!(value.get_or_try_init(|| Err("not now")), Err("not now"));
    assert_eq!(value.get_or_try_init(|| Ok::<_, &str>(7)), Ok(&7));
}

#[test]
fn a_future_that_is_waited_for_in_turns_comes_to_its_end() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let mut future = pin!(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        told.await
    });
    let said = loop {
        match wait_for(future.as_mut(), Duration::from_millis(2)).unwrap() {
            Poll::Ready(said) => break said.unwrap(),
            Poll::Pending => drop(tell.take().map(|tell| tell.send("done"))),
        }
    };
    assert_eq!(said, "done");
}

#[test]
fn waiting_in_turns_is_refused_on_a_thread_of_the_runtime() {
    let task = spawn(async { wait_for(pin!(async {}), Duration::ZERO) }).unwrap();
    let refused = block_on(task).unwrap().unwrap();
    assert!(matches!(refused, Err(RunError::WrongThread)));
}

#[test]
fn what_is_logged_is_told_again_after_it_was_not_wanted() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let sink: log::Sink = std::sync::Arc::new(move |_, _, text| {
        let _ = tell.lock().unwrap().send(text.to_owned());
    });
    let say = || spawn(async { tracing::info!("said") }).unwrap();
    for _ in 0..2 {
        log::forward(tracing::Level::INFO, std::sync::Arc::clone(&sink));
        block_on(say()).unwrap().unwrap();
        assert_eq!(told.recv().unwrap(), "said");
        log::stop();
        block_on(say()).unwrap().unwrap();
        assert!(told.try_recv().is_err());
    }
}
