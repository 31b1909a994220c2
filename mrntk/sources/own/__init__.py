"""The reader's own sources: functions and ONNX files."""
