# The service's image; its context is the bento that `bentoml build` wrote: see `make bento`. The Dockerfile that BentoML
# generates beside it installs compilers and a second environment, and is not used.
ARG DEPLOY
FROM ${DEPLOY}
COPY --chown=root:root src /bento/src
COPY --chown=root:root apis /bento/apis
COPY --chown=root:root bento.yaml README.md /bento/
ENV BENTOML_HOME=/tmp/bentoml RAFTOPS_HOST=0.0.0.0
EXPOSE 3000
LABEL org.opencontainers.image.title="raftops service" \
      org.opencontainers.image.description="The BentoML service of a raftops release" \
      io.raftops.step="service"
ENTRYPOINT ["python3", "-m", "bentoml", "serve", "/bento", "--host", "0.0.0.0", "--port", "3000"]
