//! The gRPC of the scheduler, by a protobuf compiler in Rust: no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/scheduler.proto");
    let files = protox::compile(["scheduler.proto"], ["proto"])?;
    Ok(tonic_prost_build::configure().compile_fds(files)?)
}
