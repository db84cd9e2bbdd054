//! How the addon is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    napi_build::setup();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Its threads run its code: it stays when a worker of Node lets go of it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
