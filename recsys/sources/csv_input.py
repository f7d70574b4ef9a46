"""A CSV file that feeds a raw table."""

from collections.abc import Iterator

from recsys.schema import RawTable
from recsys.sources import csv_reader, rules
from recsys.sources.files import DataFile
from recsys.sources.table_input import Layout, TableInput, TextRows


class CsvInput(TableInput):
    """One CSV file (plain, .gz or .zip) with one layout."""

    def __init__(self, file: DataFile, layout: Layout, *more_tables: RawTable, separator: str = ",") -> None:
        super().__init__(file, layout, *more_tables)
        self.separator = separator
        self.rules = rules.shape_rules() | layout.rules

    def size(self) -> int:
        """In bytes."""
        return self.file.size

    def rows(self) -> Iterator[TextRows]:
        """All rows, with their line numbers."""
        return csv_reader.read(self.file, self.separator)
