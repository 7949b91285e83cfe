# One image for the services, the portal and JupyterLab; docker-compose.yml says which container is which.
FROM python:3.13.14-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/orderlab
ENV PATH=/opt/orderlab/bin:$PATH
WORKDIR /build
# The locked packages first: they change less often than the project, and the layer is kept.
COPY requirements.lock ./
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY orderlab ./orderlab
RUN pip install --no-deps --no-build-isolation . \
    && python -c "from orderlab.stack import jupyter; jupyter.prepare()" \
    && chmod -R a+rX /opt/orderlab

FROM python:3.13.14-slim-bookworm
RUN useradd --create-home --uid 1000 lab \
    && install --directory --owner lab --group lab /data /home/lab/orderlab/work \
    && chown lab:lab /home/lab/orderlab
COPY --from=packages /opt/orderlab /opt/orderlab
WORKDIR /home/lab/orderlab
COPY --chown=lab:lab README.md CONTRIBUTING.md CHANGELOG.md LICENSE ./
COPY --chown=lab:lab docs ./docs
COPY --chown=lab:lab notebooks ./notebooks
ENV PATH=/opt/orderlab/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
# lab, by number: a host can tell that it is not root
USER 1000
# 8000 orders-api, 8080 portal, 8888 JupyterLab
EXPOSE 8000 8080 8888
CMD ["python", "-m", "orderlab.services", "orders-api"]
