//! `cargo xtask install --prefix DIR`: the C library as a system has it:
//! header, shared and static library, pkg-config and CMake files.
//!
//! The files find each other by where they stand, so that the folder may be
//! moved.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::header::HEADER;
use crate::command::{Failure, cargo, run_and_keep};
use crate::root;

/// What of the library is built, and how.
pub(crate) struct Build {
    pub(crate) release: bool,
    pub(crate) rehearsal: bool,
}

/// What has been installed.
pub(crate) struct Installed {
    /// The shared library itself, not a link to it.
    pub(crate) shared: PathBuf,
    /// The static library.
    pub(crate) archive: PathBuf,
    /// What a program that is linked with the static library needs besides.
    pub(crate) system_libraries: String,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The part of the version that changes when programs must be compiled again.
const ABI: &str = env!("CARGO_PKG_VERSION_MAJOR");

/// Names of the files of one kind of system.
struct Names {
    /// As built, as installed, and links to that.
    shared: (&'static str, String, Vec<String>),
    archive: (&'static str, &'static str),
    /// What a linker needs besides, on Windows.
    import: Option<(&'static str, &'static str)>,
}

fn names() -> Names {
    if cfg!(windows) {
        Names {
            shared: ("everpost.dll", "../bin/everpost.dll".to_owned(), Vec::new()),
            archive: ("everpost.lib", "everpost_static.lib"),
            import: Some(("everpost.dll.lib", "everpost.lib")),
        }
    } else if cfg!(target_vendor = "apple") {
        Names {
            shared: (
                "libeverpost.dylib",
                format!("libeverpost.{VERSION}.dylib"),
                vec![format!("libeverpost.{ABI}.dylib"), "libeverpost.dylib".to_owned()],
            ),
            archive: ("libeverpost.a", "libeverpost.a"),
            import: None,
        }
    } else {
        Names {
            shared: (
                "libeverpost.so",
                format!("libeverpost.so.{VERSION}"),
                vec![format!("libeverpost.so.{ABI}"), "libeverpost.so".to_owned()],
            ),
            archive: ("libeverpost.a", "libeverpost.a"),
            import: None,
        }
    }
}

/// Builds the library and puts it under `prefix`.
pub(crate) fn install(prefix: &Path, build: &Build) -> Result<Installed, Failure> {
    let system_libraries = compile(build)?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let built = root().join(target).join(if build.release { "release" } else { "debug" });
    let prefix = std::path::absolute(prefix).map_err(|error| error.to_string())?;
    let libraries = prefix.join("lib");
    let Names { shared, archive, import } = names();

    copy(&root().join(HEADER), &prefix.join("include/everpost.h"))?;
    let library = libraries.join(&shared.1);
    copy(&built.join(shared.0), &library)?;
    for name in &shared.2 {
        link(&shared.1, &libraries.join(name))?;
    }
    let static_library = libraries.join(archive.1);
    copy(&built.join(archive.0), &static_library)?;
    if let Some((from, to)) = import {
        copy(&built.join(from), &libraries.join(to))?;
    }
    write(&libraries.join("pkgconfig/everpost.pc"), &pkg_config(&system_libraries))?;
    let cmake = libraries.join("cmake/everpost");
    let files = Files { shared: &shared.1, archive: archive.1, import: import.map(|(_, to)| to) };
    write(&cmake.join("everpost-config.cmake"), &cmake_config(&files, &system_libraries))?;
    write(&cmake.join("everpost-config-version.cmake"), &cmake_version())?;
    println!("   installed under {}", prefix.display());
    Ok(Installed { shared: library, archive: static_library, system_libraries })
}

/// Builds both libraries; returns what rustc says the static one needs.
fn compile(build: &Build) -> Result<String, Failure> {
    let mut command = cargo(&["rustc", "-p", "everpost-ffi", "--lib"]);
    if build.release {
        command.arg("--release");
    }
    if build.rehearsal {
        command.args(["--features", "rehearsal"]);
    }
    // The lines are read below: no colours in them.
    command.args(["--", "--print", "native-static-libs"]).env("CARGO_TERM_COLOR", "never");
    if let Some(name) = linker_name() {
        command.arg("-C").arg(format!("link-arg=-Wl,{name}"));
    }
    let (result, lines) = run_and_keep(command);
    result?;
    native_static_libs(&lines)
        .ok_or_else(|| "rustc does not say what the static library needs".to_owned())
}

/// What programs shall look for at run time: the library of this ABI. Windows
/// knows no such name.
fn linker_name() -> Option<String> {
    if cfg!(windows) {
        None
    } else if cfg!(target_vendor = "apple") {
        Some(format!("-install_name,@rpath/libeverpost.{ABI}.dylib"))
    } else {
        Some(format!("-soname,libeverpost.so.{ABI}"))
    }
}

/// rustc's note, each library once.
fn native_static_libs(lines: &[String]) -> Option<String> {
    let list = lines.iter().find_map(|line| line.split_once("native-static-libs:"))?.1;
    let mut libraries: Vec<&str> = Vec::new();
    for library in list.split_whitespace() {
        if !libraries.contains(&library) {
            libraries.push(library);
        }
    }
    Some(libraries.join(" "))
}

fn pkg_config(system_libraries: &str) -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\n\
         Name: everpost\n\
         Description: Mail submission that survives certificate rotations, and certificate probing\n\
         URL: {}\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -leverpost\n\
         Libs.private: {system_libraries}\n\
         Cflags: -I${{includedir}}\n",
        env!("CARGO_PKG_REPOSITORY"),
    )
}

/// The installed files, from `lib`.
struct Files<'a> {
    shared: &'a str,
    archive: &'a str,
    import: Option<&'a str>,
}

fn cmake_config(files: &Files<'_>, system_libraries: &str) -> String {
    let Files { shared, archive, import } = files;
    let implib = import
        .map(|name| format!("\n        IMPORTED_IMPLIB \"${{_everpost_prefix}}/lib/{name}\""))
        .unwrap_or_default();
    let libraries = system_libraries.replace(' ', ";");
    format!(
        r#"# Targets: everpost::everpost, the shared library, and everpost::static.
get_filename_component(_everpost_prefix "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)

if(NOT TARGET everpost::everpost)
    add_library(everpost::everpost SHARED IMPORTED)
    set_target_properties(everpost::everpost PROPERTIES
        IMPORTED_LOCATION "${{_everpost_prefix}}/lib/{shared}"{implib}
        INTERFACE_INCLUDE_DIRECTORIES "${{_everpost_prefix}}/include")
endif()

if(NOT TARGET everpost::static)
    add_library(everpost::static STATIC IMPORTED)
    set_target_properties(everpost::static PROPERTIES
        IMPORTED_LOCATION "${{_everpost_prefix}}/lib/{archive}"
        INTERFACE_INCLUDE_DIRECTORIES "${{_everpost_prefix}}/include"
        INTERFACE_LINK_LIBRARIES "{libraries}")
endif()

unset(_everpost_prefix)
"#
    )
}

/// A version serves those that ask for an older one of the same ABI.
fn cmake_version() -> String {
    format!(
        r#"set(PACKAGE_VERSION "{VERSION}")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION
   OR NOT "${{PACKAGE_FIND_VERSION_MAJOR}}" STREQUAL "{ABI}")
    set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
    if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
        set(PACKAGE_VERSION_EXACT TRUE)
    endif()
endif()
"#
    )
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    prepare(to)?;
    let copied = fs::copy(from, to);
    copied.map(drop).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

fn write(to: &Path, text: &str) -> Result<(), Failure> {
    prepare(to)?;
    fs::write(to, text).map_err(|error| format!("{}: {error}", to.display()))
}

/// Makes the folder, and takes away what an earlier installation left: a
/// program that runs with it keeps its own.
fn prepare(file: &Path) -> Result<(), Failure> {
    let failed = |error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn link(name: &str, link: &Path) -> Result<(), Failure> {
    prepare(link)?;
    std::os::unix::fs::symlink(name, link).map_err(|error| format!("{}: {error}", link.display()))
}

/// Windows has no such names of libraries.
#[cfg(not(unix))]
fn link(name: &str, link: &Path) -> Result<(), Failure> {
    copy(&link.with_file_name(name), link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_static_library_needs_is_taken_from_rustcs_note_once_each() {
        let lines =
            ["noise", "note: native-static-libs: -lgcc_s -lm -lc -lm -lc"].map(str::to_owned);
        assert_eq!(native_static_libs(&lines).as_deref(), Some("-lgcc_s -lm -lc"));
        assert_eq!(native_static_libs(&[]), None);
    }

    #[test]
    fn the_pkg_config_file_names_no_folder_of_this_machine() {
        let text = pkg_config("-lm");
        assert!(text.starts_with("prefix=${pcfiledir}/../..\n"), "{text}");
        assert!(text.contains("\nLibs.private: -lm\n"), "{text}");
    }
}
