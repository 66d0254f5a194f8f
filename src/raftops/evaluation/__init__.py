"""Held-out questions to five arms, measured with intervals: was the fine-tuning worth it?"""
