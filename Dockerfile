# syntax=docker/dockerfile:1

# The pages are built and committed, so Go is all it takes.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static, and with its own time zones: the last stage has nothing to link to or
# look them up in. deploy/dockerfile_test.go runs this line.
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata,nomsgpack,grpcnotrace -ldflags "-s -w" -o /out/bellhop ./app
RUN mkdir -p /out/data /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bellhop /bellhop
# An empty volume takes over the owner of the folder it is mounted on. SQLite
# and large uploads need a place for temporary files.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/tmp /tmp

USER 65532:65532
ENV BELLHOP_ADDR=0.0.0.0:8080 \
    BELLHOP_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s CMD ["/bellhop", "health"]
ENTRYPOINT ["/bellhop"]
