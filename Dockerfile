# Everything Portero needs (recordings, pages, the demo's configuration) is inside the one program.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && mkdir /data

# Debian's C library and root certificates, no shell; runs as nobody in particular (65532).
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/portero /usr/local/bin/portero
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /
VOLUME /data
ENTRYPOINT ["portero"]
CMD ["demo", "--data", "/data"]
