//! Compiles the API's `.proto`, and stamps the commit and the date into the binary, for `--version`, the `starting` event and
//! `maglev_build_info`.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    stamp();
    compile_proto()
}

fn stamp() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=MAGLEV_COMMIT={commit}");
    // The commit's own date, so that two builds of one commit are equal byte for byte.
    let date = std::env::var("SOURCE_DATE_EPOCH").ok();
    let date = date.or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]));
    println!("cargo:rustc-env=MAGLEV_BUILD_EPOCH={}", date.unwrap_or_else(|| "0".to_owned()));
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// No `protoc` is needed: protox reads the file. Each message also becomes serialisable, for `-o json`.
fn compile_proto() -> Result<(), Box<dyn Error>> {
    const PROTO: &str = "proto/maglev/v1/maglev.proto";
    println!("cargo:rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_file("maglev/v1/maglev.proto")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // What reflection hands out.
    std::fs::write(out.join("maglev_descriptor.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .extern_path(".google.protobuf.Timestamp", "crate::proto::Timestamp")
        .message_attribute(".maglev.v1", "#[derive(serde::Serialize)]")
        .enum_attribute(".maglev.v1", "#[derive(serde::Serialize)] #[serde(rename_all = \"snake_case\")]")
        .field_attribute("maglev.v1.Event.kind", "#[serde(flatten)]")
        .field_attribute("maglev.v1.LastResult.answer", "#[serde(serialize_with = \"super::answer\")]")
        .field_attribute("maglev.v1.LastResult.certificate_subject", "#[serde(serialize_with = \"super::subject\")]")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
