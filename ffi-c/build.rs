//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Its threads run its code: it stays when a program lets go of it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
