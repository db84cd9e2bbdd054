//! `everpost send`: one message, and an honest word on what became of it.

mod compose;
pub(crate) mod report;
pub(crate) mod server;

pub(crate) use self::server::first_line;
use crate::args::SendArgs;
use crate::failure::Failure;

/// Sends, reports, and says how to exit.
pub(crate) async fn run(args: SendArgs) -> u8 {
    let (mailer, message) = match prepare(&args).await {
        Ok(prepared) => prepared,
        Err(failure) => return failure.report(args.json),
    };
    let endpoint = mailer.endpoint().clone();
    let result = mailer.send(message).await;
    let code = match &result {
        Ok(receipt) => report::accepted(receipt, &endpoint, args.json),
        Err(error) => report::failed(error, Some(&endpoint), args.json),
    };
    mailer.close().await;
    code
}

async fn prepare(args: &SendArgs) -> Result<(everpost::Mailer, everpost::Message), Failure> {
    let stdin = [
        args.eml.as_deref() == Some("-".as_ref()),
        args.text.as_deref() == Some("-"),
        args.server.password_file.as_deref() == Some("-".as_ref()),
    ];
    if stdin.iter().filter(|wanted| **wanted).count() > 1 {
        return Err(Failure::Usage("only one option can read standard input (-)".to_owned()));
    }
    let message = compose::message(args).await?;
    let mailer = server::mailer(args).await?;
    Ok((mailer, message))
}
