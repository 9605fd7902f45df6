"""The Blobs port over an S3 store, such as MinIO or SeaweedFS."""
