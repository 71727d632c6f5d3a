"""Write what is made of the code into the documents: `python -m tests.reference`."""

from tests.reference.files import made

if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
