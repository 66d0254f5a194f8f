"""The service on Kubernetes, and training on several nodes by Kubeflow Trainer. Talks to the API server alone."""
